/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The flight recorder: who sent which fatal signal to whom, who died how, and
 * who had started them. BTF and raw tracepoints only, as fentry, kprobes and
 * LSM hooks are refused by too many kernels; the one exception can be left out.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "records.h"
#include "maps.h"
#include "paths.h"
#include "tasks.h"
#include "reasons.h"

/* Who a process is, its ancestors, its command line and theirs. */
static __always_inline u32 describe(struct process_record *e, struct task_struct *p)
{
	struct image *im;
	u32 off, len = 0, end;
	u8 inherited;

	e->h.flags = 0;
	e->h.ts = bpf_ktime_get_boot_ns();
	fill_who(&e->who, p);
	e->n_ancestors = ancestors(e->buf, &e->orphan, p);
	off = e->n_ancestors * sizeof(struct ancestor);
	LAUNDER(&e->h, off, 0x3ff);
	im = image_of(p->group_leader, &inherited);
	e->argv_total = 0;
	if (im) {
		len = im->argv_len;
		BOUND(len, (ARGV_LEN - 1));
		bpf_probe_read_kernel(e->buf + off, len, im->argv);
		e->argv_total = im->argv_total;
	}
	e->argv_len = len;
	e->h.flags |= inherited ? REC_ARGV_INHERITED : 0;
	off += len;
	LAUNDER(&e->h, off, 0xfff);
	end = ancestor_argv(e->buf, off, p);
	e->ancestor_argv_len = end - off;
	return end;
}

#ifdef TRAMPOLINES
/*
 * prlimit(2) on another process leaves no trace in it. No tracepoint lies on its way but those of all
 * system calls, which slow every call down; fexit costs nothing elsewhere, but kernels without
 * BPF trampolines refuse to load it: then arming takes the object built without.
 */
SEC("fexit/do_prlimit")
int BPF_PROG(on_prlimit, struct task_struct *target, unsigned int resource, struct rlimit *new,
	     struct rlimit *old, int result)
{
	struct task_struct *cur = bpf_get_current_task_btf();
	struct process_record *e;
	u32 zero = 0, off;

	if (!new || result || target->tgid == cur->tgid)
		return 0;
	if (resource != RLIMIT_CPU && resource != RLIMIT_FSIZE && resource != RLIMIT_AS && resource != RLIMIT_RTTIME)
		return 0;
	e = bpf_map_lookup_elem(&limit_scratch, &zero);
	if (!e)
		return 0;
	e->h.type = REC_LIMIT_SET;
	e->target = target->tgid;
	e->target_start = target->group_leader->start_boottime;
	e->resource = resource;
	e->soft = new->rlim_cur;
	e->hard = new->rlim_max;
	off = describe(e, cur) + __builtin_offsetof(struct process_record, buf);
	e->h.size = off;
	EMIT(limits, HEAD_LIMITS, LIMITS_SLOTS, e, off);
	return 0;
}
#endif

static __always_inline void note_client(struct task_struct *p)
{
	struct process_record *e;
	u32 zero = 0, off;

	e = bpf_map_lookup_elem(&exec_scratch, &zero);
	if (!e)
		return;
	e->h.type = REC_CLIENT;
	off = describe(e, p) + __builtin_offsetof(struct process_record, buf);
	e->h.size = off;
	EMIT(requests, HEAD_REQUESTS, REQUESTS_SLOTS, e, off);
}

/* exec by another thread than the leader: it takes over the leader's number, all others are gone. */
static __always_inline void note_replaced(struct task_struct *p, struct image *im, pid_t old)
{
	struct replaced_record e = { .h.type = REC_REPLACED, .old_tid = old };
	u32 len = im->argv_len;

	e.h.ts = bpf_ktime_get_boot_ns();
	e.h.size = sizeof(e);
	fill_who(&e.who, p);
	if (len > sizeof(e.argv))
		len = sizeof(e.argv);
	e.argv_len = len;
	bpf_probe_read_kernel(e.argv, sizeof(e.argv), im->argv);
	EMIT(exits, HEAD_EXITS, EXITS_SLOTS, &e, sizeof(e));
}

/*
 * CLONE_PARENT: the new process is no child of who created it, but its sibling. Threads have the
 * flag too, as their process's parent is theirs.
 */
SEC("tp_btf/task_newtask")
int BPF_PROG(on_fork, struct task_struct *child, u64 clone_flags)
{
	struct process_key k = {};
	struct beginning b = { .sibling = 1 };
	struct process_record *e;
	struct task_struct *cur;
	u32 zero = 0, off;

	if ((clone_flags & (CLONE_PARENT | CLONE_THREAD)) != CLONE_PARENT)
		return 0;
	e = bpf_map_lookup_elem(&fork_scratch, &zero);
	if (!e)
		return 0;
	cur = bpf_get_current_task_btf();
	k.start = child->start_boottime;
	k.tgid = child->tgid;
	b.creator.start = cur->group_leader->start_boottime;
	b.creator.tgid = cur->tgid;
	bpf_map_update_elem(&creators, &k, &b, BPF_ANY);
	count(STAT_ORPHANS);
	e->h.type = REC_SIBLING;
	off = describe(e, cur) + __builtin_offsetof(struct process_record, buf);
	e->h.size = off;
	EMIT(orphaned, HEAD_ORPHANED, ORPHANED_SLOTS, e, off);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *p, pid_t old, struct linux_binprm *bprm)
{
	struct image *im = bpf_task_storage_get(&images, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!im) {
		count(STAT_FAILED);
		return 0;
	}
	remember_image(im, p);
	if (old != p->pid && p->group_leader == p)
		note_replaced(p, im, old);
	if (asks_a_manager(p, im))
		note_client(p);
	return 0;
}

/*
 * Whose ancestors and texts go into a signal's record: those of current, but where a kernel thread
 * carried a terminal's input, those of the holder of its other end.
 */
static __always_inline struct task_struct *chain_head(struct signal_record *e, u32 extra,
						      struct task_struct *target, struct task_struct *cur)
{
	struct terminal_extra *x = (void *)e->buf;

	if (e->extra != EXTRA_TERMINAL || !extra || !(cur->flags & PF_KTHREAD) || !x->depth)
		return cur;
	e->h.flags |= REC_OF_HOLDER;
	return ancestor_of(target, x->depth);
}

static __always_inline u32 head_argv(char *dst, struct signal_record *e, struct task_struct *head,
				     struct task_struct *cur)
{
	struct image *im;
	u32 len;

	if (head == cur)
		return current_argv(dst, &e->argv_total, cur);
	e->argv_total = 0;
	im = bpf_task_storage_get(&images, head, 0, 0);
	if (!im || !im->ts)
		return 0;
	len = im->argv_len;
	BOUND(len, (ARGV_LEN - 1));
	bpf_probe_read_kernel(dst, len, im->argv);
	e->argv_total = im->argv_total;
	return len;
}

static __always_inline u32 signal_tail(struct signal_record *e, struct task_struct *target, struct task_struct *cur)
{
	struct task_struct *head;
	struct image *im;
	u32 off, len;

	off = extra_of(e->buf, e, target, cur);
	e->extra_len = off;
	head = chain_head(e, off, target, cur);
	LAUNDER(&e->h, off, 127);
	e->n_ancestors = ancestors(e->buf + off, &e->orphan, head);
	off += e->n_ancestors * sizeof(struct ancestor);
	LAUNDER(&e->h, off, 0x3ff);
	len = head_argv(e->buf + off, e, head, cur);
	e->argv_len = len;
	off += len;
	LAUNDER(&e->h, off, 0xfff);
	e->target_argv_len = e->target_argv_total = 0;
	im = image_of(target->group_leader, &e->target_argv_inherited);
	if (im) {
		len = im->argv_len > TARGET_ARGV_LEN - 1 ? TARGET_ARGV_LEN - 1 : im->argv_len;
		BOUND(len, (TARGET_ARGV_LEN - 1));
		bpf_probe_read_kernel(e->buf + off, len, im->argv);
		e->target_argv_len = len;
		e->target_argv_total = im->argv_total;
		off += len;
	}
	LAUNDER(&e->h, off, 0xfff);
	len = exe_path(e->buf + off, &e->h, head);
	e->exe_len = len;
	off += len;
	LAUNDER(&e->h, off, 0xfff);
	len = exe_path(e->buf + off, &e->h, target);
	e->target_exe_len = len;
	off += len;
	LAUNDER(&e->h, off, 0xfff);
	len = cgroup_path(e->buf + off, &e->h, head->cgroups->dfl_cgrp->kn);
	e->cgroup_len = len;
	off += len;
	LAUNDER(&e->h, off, 0xfff);
	len = cgroup_path(e->buf + off, &e->h, target->cgroups->dfl_cgrp->kn);
	e->target_cgroup_len = len;
	off += len;
	LAUNDER(&e->h, off, 0xfff);
	e->mem_cgroup_len = 0;
	if (e->sig == SIGKILL && e->info_kind == 1) {
		len = full_memory_cgroup(e, off, target);
		e->mem_cgroup_len = len;
		off += len;
		LAUNDER(&e->h, off, 0xfff);
	}
	len = ancestor_argv(e->buf, off, head);
	e->ancestor_argv_len = len - off;
	return len;
}

/* 0 = default, 1 = ignored, 2 = handled. SIGKILL has no disposition and is never asked for one. */
static __always_inline u32 disposition(struct task_struct *t, int sig)
{
	/* as a plain number: 6.1 allows no arithmetic with a variable on a typed pointer */
	struct sighand_struct *sh = BPF_CORE_READ(t, sighand);
	unsigned long h = 0;
	void *ka;

	if (sig == SIGKILL)
		return 0;
	/* CO-RE does not scale a variable index: use the kernel's own element size. */
	ka = (void *)sh + bpf_core_field_offset(sh->action) + (sig - 1) * bpf_core_type_size(struct k_sigaction);
	bpf_probe_read_kernel(&h, sizeof(h), ka + bpf_core_field_offset(((struct k_sigaction *)ka)->sa.sa_handler));
	return h > 1 ? 2 : h;
}

/* `info` may be NULL (SEND_SIG_NOINFO) or 1 (SEND_SIG_PRIV); the verifier allows comparing only. */
static __always_inline void fill_info(struct signal_record *e, struct kernel_siginfo *info)
{
	e->si_pid = e->si_uid = e->code = 0;
	if ((unsigned long)info == 0) {
		e->info_kind = 0;
	} else if ((unsigned long)info == 1) {
		e->info_kind = 1;
		e->code = 0x80;
	} else {
		e->info_kind = 2;
		e->code = BPF_CORE_READ(info, si_code);
		e->si_pid = BPF_CORE_READ(info, _sifields._kill._pid);
		e->si_uid = BPF_CORE_READ(info, _sifields._kill._uid);
	}
}

enum { DROP, TO_KILLS, TO_REQUESTS, TO_VICTIMS, TO_EXITS };
/*
 * Runs behind complete_signal(): a group that this send doomed already has
 * SIGNAL_GROUP_EXIT. Blocked signals of timers and I/O come in floods and go
 * to sigwait loops; only those from other processes are kept.
 */
static __always_inline int route(int sig, u32 disp, u32 blocked, u32 sigflags, bool foreign)
{
	u64 bit = SIGBIT(sig);

	if (sig == SIGCONT)
		return sigflags & SIGNAL_CLD_MASK ? TO_REQUESTS : DROP;
	if (disp == 1)
		return DROP;
	if (disp == 2)
		return bit & REQUESTS ? TO_REQUESTS : DROP;
	if (bit & STOPS)
		return TO_REQUESTS;
	if (sig == SIGKILL || (sigflags & SIGNAL_GROUP_EXIT) || !blocked)
		return TO_KILLS;
	return (bit & REQUESTS) || foreign ? TO_REQUESTS : DROP;
}

static __always_inline void mark_asked(struct task_struct *target, int sig)
{
	struct image *im = bpf_task_storage_get(&images, target->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (im)
		im->asked = sig;
	else
		count(STAT_FAILED);
}

/*
 * forget_original_parent() hands the children to their reaper before it sends
 * PR_SET_PDEATHSIG's signal, so real_parent no longer names the dying parent;
 * what leave_children() wrote a moment before does.
 */
static __always_inline bool left_by(struct task_struct *child, struct task_struct *parent)
{
	struct process_key k = { .start = child->group_leader->start_boottime, .tgid = child->tgid };
	struct beginning *b = bpf_map_lookup_elem(&creators, &k);

	return b && b->left_by.tgid == parent->tgid && b->left_by.start == parent->group_leader->start_boottime;
}

/*
 * Whether this send belongs to the act before it: the same sender in the same
 * call, by the same path, less than a second later: a broadcast, a group, a
 * loop over pids. Timers and keys have no call and are never taken together.
 */
static __always_inline bool goes_on(struct act *a, struct signal_record *e, u32 where)
{
	bool by_call = e->syscall >= 0 || (e->sender.flags & PF_IO_WORKER);
	bool same = by_call && e->n_stack > 2 && a->victims && a->where == where &&
		    e->h.ts - a->ts < ACT_GAP_NS && a->sender_tid == e->sender.tid &&
		    a->sender_start == e->sender.start && a->sig == e->sig && a->code == e->code &&
		    a->info_kind == e->info_kind && a->syscall == e->syscall &&
		    a->stack[0] == e->stack[0] && a->stack[1] == e->stack[1];

	a->ts = e->h.ts;
	if (same) {
		a->victims++;
		return true;
	}
	a->victims = by_call;
	a->where = where;
	a->sender_tid = e->sender.tid;
	a->sender_start = e->sender.start;
	a->sig = e->sig;
	a->code = e->code;
	a->info_kind = e->info_kind;
	a->syscall = e->syscall;
	a->stack[0] = e->stack[0];
	a->stack[1] = e->stack[1];
	return false;
}

/* Only the fixed part: nothing of the sender but who it is. */
static __always_inline u32 without_tail(struct signal_record *e)
{
	u32 size = __builtin_offsetof(struct signal_record, buf);

	e->n_ancestors = 0;
	e->orphan.tgid = 0;
	e->argv_len = e->argv_total = e->target_argv_len = e->target_argv_total = 0;
	e->exe_len = e->target_exe_len = e->cgroup_len = e->target_cgroup_len = 0;
	e->mem_cgroup_len = e->ancestor_argv_len = e->extra_len = 0;
	e->target_argv_inherited = e->extra = 0;
	e->h.size = size;
	return size;
}

/* One of very many: its own end must not push other deaths out either. */
static __always_inline void join_crowd(struct task_struct *target)
{
	struct image *im = bpf_task_storage_get(&images, target->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (im)
		im->crowd = 1;
	else
		count(STAT_FAILED);
}

/* relations that can't be had later */
static __always_inline u8 relations(struct task_struct *task, struct task_struct *cur, int sig)
{
	u8 rel = (task == cur ? REL_SAME_TASK : 0) |
		 (task->tgid == cur->tgid ? REL_SAME_GROUP : 0) |
		 (task->real_parent == cur ? REL_CHILD_OF_CURRENT : 0) |
		 (task->pdeath_signal == sig ? REL_PDEATH_SIGNAL : 0) |
		 (task->real_parent->tgid == cur->tgid ? REL_CHILD_OF_GROUP : 0);

	if ((rel & REL_PDEATH_SIGNAL) && left_by(task, cur))
		rel |= REL_CHILD_OF_CURRENT;
	return rel;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
{
	u32 zero = 0, disp, off, blocked, sigflags;
	struct task_struct *cur;
	struct signal_record *e;
	struct act *act;
	int where;
	u64 mask = 0;

	if (sig < 1 || sig > 64 || (!cfg_all && (NEVER & SIGBIT(sig))))
		return 0;
	/* 0 delivered; 4 delivered with its siginfo lost (queue full): both can end a process. */
	cur = bpf_get_current_task_btf();
	if (!cfg_all && result != 0 && result != 4 && sig != SIGCONT) {
		/* 1 = it ignores it, or is dying already: told as an attempt, if it was meant to end it. */
		if (result != 1 || !((REQUESTS | SIGBIT(SIGKILL)) & SIGBIT(sig)) || task->tgid == cur->tgid)
			return 0;
	}
	disp = disposition(task, sig);
	bpf_probe_read_kernel(&mask, sizeof(mask), &task->blocked);
	blocked = (mask >> (sig - 1)) & 1;
	sigflags = task->signal->flags;
	if (cfg_all)
		where = TO_KILLS;
	else if (result == 1 && sig != SIGCONT)
		where = TO_EXITS;
	else
		where = route(sig, disp, blocked, sigflags, task->tgid != cur->tgid);
	if (where == DROP)
		return 0;
	e = bpf_map_lookup_elem(&signal_scratch, &zero);
	act = bpf_map_lookup_elem(&last_act, &zero);
	if (!e || !act)
		return 0;
	e->h.type = REC_SIGNAL;
	e->h.flags = 0;
	e->h.ts = bpf_ktime_get_boot_ns();
	e->sig = sig;
	e->result = result;
	e->group = group;
	e->disposition = disp;
	e->blocked = blocked;
	e->after_flags = sigflags;
	e->after_code = task->signal->group_exit_code;
	fill_info(e, info);
	e->rel = relations(task, cur, sig);
	fill_syscall(e, cur);
	e->n_stack = take_stack(ctx, e->stack);
	fill_who(&e->target, task);
	fill_who(&e->sender, cur);
	bpf_probe_read_kernel(e->target_thread, 16, task->comm);
	bpf_probe_read_kernel(e->sender_thread, 16, cur->comm);
	e->mem_max = e->mem_usage = e->act = 0;
	if (where == TO_EXITS) {
		off = without_tail(e);
		EMIT(exits, HEAD_EXITS, EXITS_SLOTS, e, off);
		return 0;
	}
	if (!cfg_all && goes_on(act, e, where)) {
		e->act = act->first + 1;
		if (act->victims > FULL_VICTIMS) {
			off = without_tail(e);
			EMIT(victims, HEAD_VICTIMS, VICTIMS_SLOTS, e, off);
			count(STAT_VICTIMS);
			if (where == TO_KILLS && act->victims > FEW_VICTIMS)
				join_crowd(task);
			if (where == TO_REQUESTS && (disp == 2 || blocked))
				mark_asked(task, sig);
			return 0;
		}
	}
	off = signal_tail(e, task, cur) + __builtin_offsetof(struct signal_record, buf);
	e->h.size = off;
	if (where == TO_KILLS) {
		u64 number = EMIT(kills, HEAD_KILLS, KILLS_SLOTS, e, off);

		if (!e->act)
			act->first = number;
	} else {
		u64 number = EMIT(requests, HEAD_REQUESTS, REQUESTS_SLOTS, e, off);

		if (!e->act)
			act->first = number | IN_REQUESTS;
		if (disp == 2 || blocked)
			mark_asked(task, sig);
	}
	count(STAT_SIGNALS);
	return 0;
}

struct children { struct list_head *head, *cur; struct process_key me; };

static long name_creator(u32 i, void *ctx)
{
	struct children *w = ctx;
	struct list_head *cur = w->cur;
	struct process_key k = {};
	struct task_struct *t;
	struct beginning *known;

	if (!cur || cur == w->head)
		return 1;
	t = container_of(cur, struct task_struct, sibling);
	k.start = BPF_CORE_READ(t, start_boottime);
	k.tgid = BPF_CORE_READ(t, tgid);
	known = bpf_map_lookup_elem(&creators, &k);
	if (known) {
		known->left_by = w->me;
	} else {
		struct beginning b = { .creator = w->me, .left_by = w->me };

		bpf_map_update_elem(&creators, &k, &b, BPF_ANY);
		count(STAT_ORPHANS);
	}
	w->cur = BPF_CORE_READ(cur, next);
	return 0;
}

/*
 * A parent that exits before its children: who it was and whose child it was.
 * real_parent of the children turns into init or a subreaper.
 */
static __always_inline void leave_children(struct task_struct *p, struct list_head *first)
{
	struct children w = { .head = &p->children, .cur = first };
	struct process_record *e;
	u32 zero = 0, off;

	e = bpf_map_lookup_elem(&orphaned_scratch, &zero);
	if (!e)
		return;
	e->h.type = REC_ORPHANED;
	w.me.start = p->group_leader->start_boottime;
	w.me.tgid = p->tgid;
	bpf_loop(4096, name_creator, &w, 0);
	off = describe(e, p) + __builtin_offsetof(struct process_record, buf);
	e->h.size = off;
	EMIT(orphaned, HEAD_ORPHANED, ORPHANED_SLOTS, e, off);
	count(STAT_ORPHANED);
}

static __always_inline void fill_tracer(struct exit_record *e, struct task_struct *p)
{
	e->ptraced = p->ptrace != 0;
	e->tracer.tgid = 0;
	e->tracer.start = 0;
	if (e->ptraced && p->parent)
		fill_ancestor(&e->tracer, p->parent->group_leader);
}

/*
 * A thread leaves, the process stays: who called exit_group is known only
 * now, and a thread that a signal ends alone (seccomp, an oops) tells nobody.
 */
static __always_inline void note_thread(void *ctx, struct task_struct *p)
{
	struct thread_record e = { .h.type = REC_THREAD };
	struct image *im;

	if (BPF_CORE_READ(p, signal, flags) & SIGNAL_GROUP_EXIT) {
		if (!calls_exit_group(p))
			return;
		im = bpf_task_storage_get(&images, p->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (!im || im->exiter)
			return;
		im->exiter = p->pid;
		bpf_probe_read_kernel(im->exiter_name, 16, p->comm);
		return;
	}
	if (!(p->exit_code & 0x7f))
		return;
	e.h.ts = bpf_ktime_get_boot_ns();
	e.h.size = sizeof(e);
	e.code = p->exit_code;
	fill_who(&e.who, p);
	bpf_probe_read_kernel(e.thread, 16, p->comm);
	e.n_stack = take_stack(ctx, e.stack);
	EMIT(deaths, HEAD_DEATHS, DEATHS_SLOTS, &e, sizeof(e));
}

static __always_inline void fill_thread(struct exit_record *e, struct task_struct *p, struct image *im)
{
	e->exiter = calls_exit_group(p) ? p->pid : 0;
	bpf_probe_read_kernel(e->thread, 16, p->comm);
	if (im && im->exiter) {
		e->exiter = im->exiter;
		bpf_probe_read_kernel(e->thread, 16, im->exiter_name);
	}
}

/*
 * Whoever acts on a fatal signal gets PF_SIGNALED. Without it, what ended the
 * last thread called do_exit() by itself: seccomp, an oops.
 */
static __always_inline u32 exit_stack(void *ctx, struct exit_record *e)
{
	e->n_stack = 0;
	if ((e->who.flags & PF_SIGNALED) || !(e->code & 0x7f))
		return 0;
	e->n_stack = take_stack(ctx, (u64 *)e->buf);
	return e->n_stack * 8;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *p)
{
	struct image *im, *own;
	struct list_head *first;
	struct exit_record *e;
	u32 zero = 0, off, len;
	bool by_signal;

	/*
	 * Two threads that leave together may both see live == 0: the reader
	 * takes records of one life as one. 6.16 has group_dead as an argument,
	 * but asking for it would not load on older kernels.
	 */
	if (p->signal->live.counter != 0) {
		note_thread(ctx, p);
		return 0;
	}
	first = BPF_CORE_READ(p, children.next);
	if (first != &p->children)
		leave_children(p, first);
	e = bpf_map_lookup_elem(&exit_scratch, &zero);
	if (!e)
		return 0;
	e->h.type = REC_DEATH;
	e->h.flags = 0;
	e->h.ts = bpf_ktime_get_boot_ns();
	e->code = p->exit_code;
	e->group_code = p->signal->group_exit_code;
	e->leader_code = p->group_leader->exit_code;
	e->signal_flags = p->signal->flags;
	e->as_limit = p->signal->rlim[RLIMIT_AS].rlim_cur;
	e->stdin_pipe = last_read_of(p);
	e->filters = filters_of(p);
	e->seccomp_mode = 0;
	if (bpf_core_field_exists(p->seccomp))
		e->seccomp_mode = p->seccomp.mode;
	fill_tracer(e, p);
	e->returns_to = e->ptraced ? returns_to(p) : RETURNS_UNKNOWN;
	fill_who(&e->who, p);
	e->creator.tgid = 0;
	find_creator(&e->creator, p->group_leader, 0);
	e->parent.tgid = 0;
	if (p->group_leader->real_parent)
		fill_ancestor(&e->parent, p->group_leader->real_parent->group_leader);
	own = bpf_task_storage_get(&images, p->group_leader, 0, 0);
	e->asked = own ? own->asked : 0;
	e->exec_pipe = own ? pipe_of_its_own(p, own) : 0;
	fill_thread(e, p, own);
	im = image_of(p->group_leader, &e->argv_inherited);
	e->argv_len = e->argv_total = 0;
	off = exit_stack(ctx, e);
	LAUNDER(&e->h, off, 127);
	if (im) {
		len = im->argv_len > EXIT_ARGV_LEN ? EXIT_ARGV_LEN : im->argv_len;
		BOUND(len, 127);
		bpf_probe_read_kernel(e->buf + off, len, im->argv);
		e->argv_len = len;
		e->argv_total = im->argv_total;
		off += len;
	}
	LAUNDER(&e->h, off, 255);
	e->cgroup_len = cgroup_path(e->buf + off, &e->h, p->cgroups->dfl_cgrp->kn);
	off += e->cgroup_len + __builtin_offsetof(struct exit_record, buf);
	e->h.size = off;
	by_signal = (e->code | e->group_code) & 0x7f;
	if (by_signal && own && own->crowd) {
		EMIT(victims, HEAD_VICTIMS, VICTIMS_SLOTS, e, off);
		count(STAT_DEATHS);
	} else if (by_signal || e->asked) {
		EMIT(deaths, HEAD_DEATHS, DEATHS_SLOTS, e, off);
		count(STAT_DEATHS);
	} else {
		EMIT(exits, HEAD_EXITS, EXITS_SLOTS, e, off);
		count(STAT_EXITS);
	}
	return 0;
}

SEC("raw_tp/mark_victim")
int on_oom(struct bpf_raw_tracepoint_args *ctx)
{
	struct oom_record e = { .h.type = REC_OOM };
	u64 victim = ctx->args[0];

	/* a pid before 6.8, a task since: only a kernel address has high bits */
	if (victim >> 32) {
		struct task_struct *t = (void *)victim;

		e.victim = BPF_CORE_READ(t, tgid);
		e.victim_start = BPF_CORE_READ(t, group_leader, start_boottime);
	} else {
		e.victim = victim;
	}
	e.h.ts = bpf_ktime_get_boot_ns();
	e.h.size = sizeof(e);
	fill_ancestor(&e.trigger, bpf_get_current_task_btf()->group_leader);
	EMIT(deaths, HEAD_DEATHS, DEATHS_SLOTS, &e, sizeof(e));
	count(STAT_OOMS);
	return 0;
}

/*
 * A line of the kernel's log, printed by whoever runs: that is how the writer
 * of sysrq-trigger is known where the work itself is left to a kworker.
 */
SEC("raw_tp/console")
int on_console(struct bpf_raw_tracepoint_args *ctx)
{
	static const char sysrq[] = "sysrq: ";
	struct process_record *e;
	u32 zero = 0, off;
	char text[8] = {};
	long n;

	if (bpf_probe_read_kernel(text, sizeof(sysrq) - 1, (void *)ctx->args[0]))
		return 0;
	for (int i = 0; i < sizeof(sysrq) - 1; i++)
		if (text[i] != sysrq[i])
			return 0;
	e = bpf_map_lookup_elem(&line_scratch, &zero);
	if (!e)
		return 0;
	e->h.type = REC_LINE;
	off = describe(e, bpf_get_current_task_btf());
	LAUNDER(&e->h, off, 0xfff);
	n = bpf_probe_read_kernel_str(e->buf + off, LINE_LEN, (void *)ctx->args[0]);
	off += n > 0 ? n & 127 : 0;
	off += __builtin_offsetof(struct process_record, buf);
	e->h.size = off;
	EMIT(requests, HEAD_REQUESTS, REQUESTS_SLOTS, e, off);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
