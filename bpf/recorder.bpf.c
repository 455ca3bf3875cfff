/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The black box: who sent which fatal signal to whom, who died how, and who
 * had started them. Four programs on BTF and raw tracepoints only: fentry,
 * kprobes and LSM hooks are refused by too many kernels.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "records.h"

#define PF_IO_WORKER 0x10
#define PF_KTHREAD 0x200000
#define SIGNAL_GROUP_EXIT 0x4
#define SIGNAL_CLD_MASK 0x30
#define SIGNAL_UNKILLABLE 0x40	/* init of its pid namespace */
#define TS_COMPAT 0x2
#define X32_SYSCALL_BIT 0x40000000

#define SIGBIT(n) (1ULL << ((n) - 1))
/* CHLD, URG and WINCH end nobody by default, and the Go runtime sends URG in floods. */
#define NEVER (SIGBIT(17) | SIGBIT(23) | SIGBIT(28))
#define STOPS (SIGBIT(19) | SIGBIT(20) | SIGBIT(21) | SIGBIT(22))
#define SIGCONT 18
#define SIGKILL 9
/* HUP INT QUIT ABRT TERM: asking a process to go, even where it has a handler. */
#define ASKS (SIGBIT(1) | SIGBIT(2) | SIGBIT(3) | SIGBIT(6) | SIGBIT(15))

const volatile u32 cfg_argv = 1;
/* every signal, ignored ones too: for watching live, never for the armed box */
const volatile u32 cfg_all = 0;

/* heads: kills, asks, wills, deaths, exits */
u64 heads[5] = {};
enum { HEAD_KILLS, HEAD_ASKS, HEAD_WILLS, HEAD_DEATHS, HEAD_EXITS };

#define ARRAY(name, slot, n)						\
	struct {							\
		__uint(type, BPF_MAP_TYPE_ARRAY);			\
		__uint(max_entries, n);					\
		__uint(map_flags, BPF_F_MMAPABLE);			\
		__type(key, u32);					\
		__type(value, slot);					\
	} name SEC(".maps")

ARRAY(kills, struct big_slot, KILLS_SLOTS);
ARRAY(asks, struct big_slot, ASKS_SLOTS);
ARRAY(wills, struct will_slot, WILLS_SLOTS);
ARRAY(deaths, struct small_slot, DEATHS_SLOTS);
ARRAY(exits, struct small_slot, EXITS_SLOTS);

/* What the armer knew: version, settings, symbol ranges. JSON, written once. */
struct meta { char json[65536]; };
ARRAY(meta, struct meta, 1);

/* An overwriting array can't wake its reader; this rings once per RING_EVERY records. */
#define RING_EVERY 256
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} bell SEC(".maps");

/* Scratch is private to a program: the kernel never runs one twice at once on a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct signal_record);
} signal_scratch SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct will_record);
} will_scratch SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct exit_record);
} exit_scratch SEC(".maps");

enum { STAT_SIGNALS, STAT_DEATHS, STAT_OOMS, STAT_WILLS, STAT_EXITS, STAT_TRUNCATED, STAT_FAILED, STAT_ORPHANS, STAT_MAX };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STAT_MAX);
	__type(key, u32);
	__type(value, u64);
} stats SEC(".maps");

struct process_key { u64 start; u32 tgid, pad; };
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct process_key);
	__type(value, struct process_key);
} creators SEC(".maps");

/* argv as of the last exec; the entry dies with its task. */
struct image { u64 ts; u32 argv_len, argv_total, asked, pad; char argv[ARGV_LEN]; };
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct image);
} images SEC(".maps");

static __always_inline void count(u32 k)
{
	u64 *v = bpf_map_lookup_elem(&stats, &k);

	if (v)
		(*v)++;
}

/*
 * Known constants in running offsets multiply the verifier's paths. Storing
 * an offset to a map value and loading it back makes it unknown again (the
 * stack would not do: it is tracked); the mask then bounds it. `size` of the
 * record under construction is free for that until the record is finished.
 */
#define BOUND(x, m) do { asm volatile("" : "+r"(x)); x &= m; } while (0)
#define LAUNDER(h, x, m) do {						\
	*(volatile u32 *)&(h)->size = x;				\
	x = *(volatile u32 *)&(h)->size;				\
	BOUND(x, m);							\
} while (0)

/* Copies a finished record into the next slot of an overwriting ring. */
#define EMIT(ring, head, slots, rec, len) ({					\
	u64 __n = __sync_fetch_and_add(&heads[head], 1);			\
	u32 __i = __n & (slots - 1), __size = len;				\
	typeof(*(ring##_slot_t *)0) *__s = bpf_map_lookup_elem(&ring, &__i);	\
	if (__s) {								\
		__s->begin = __n + 1;						\
		__s->flags = 0;							\
		if (__size > sizeof(__s->d)) {					\
			__size = sizeof(__s->d);				\
			__s->flags = SLOT_TRUNCATED;				\
			count(STAT_TRUNCATED);					\
		}								\
		BOUND(__size, 2047);						\
		if (__size <= sizeof(__s->d))					\
			bpf_probe_read_kernel(__s->d, __size, rec);		\
		__s->size = __size;						\
		asm volatile("" ::: "memory");					\
		__s->end = __n + 1;						\
		if (!(__n & (RING_EVERY - 1)))					\
			bpf_ringbuf_output(&bell, &__n, sizeof(__n), BPF_RB_FORCE_WAKEUP); \
	} else {								\
		count(STAT_FAILED);						\
	}									\
})
typedef struct big_slot kills_slot_t;
typedef struct big_slot asks_slot_t;
typedef struct will_slot wills_slot_t;
typedef struct small_slot deaths_slot_t;
typedef struct small_slot exits_slot_t;

static __always_inline void fill_who(struct who *w, struct task_struct *t)
{
	struct task_struct *leader = t->group_leader;
	struct pid *p = leader->thread_pid;

	w->tgid = t->tgid;
	w->tid = t->pid;
	w->start = leader->start_boottime;
	w->flags = t->flags;
	w->uid = t->real_cred->uid.val;
	w->loginuid = w->session = -1;
	if (bpf_core_field_exists(t->loginuid)) {
		w->loginuid = t->loginuid.val;
		w->session = t->sessionid;
	}
	w->cgroup = BPF_CORE_READ(t, cgroups, dfl_cgrp, kn, id);
	bpf_probe_read_kernel(w->comm, 16, leader->comm);
	w->pidns = w->nspid = 0;
	if (p) {
		struct upid u = {};
		u64 at = p->level * bpf_core_type_size(struct upid);

		/* at most 32 levels (MAX_PID_NS_LEVEL); 6.1's verifier loses the bound in the product */
		BOUND(at, 1023);
		bpf_probe_read_kernel(&u, sizeof(u), (void *)p + bpf_core_field_offset(p->numbers) + at);
		w->nspid = u.nr;
		w->pidns = BPF_CORE_READ(u.ns, ns.inum);
	}
}

static __always_inline bool is_reaper(struct task_struct *t)
{
	struct signal_struct *s = t->signal;

	if (s->flags & SIGNAL_UNKILLABLE)
		return true;
	return BPF_CORE_READ_BITFIELD_PROBED(s, is_child_subreaper);
}

static __always_inline void fill_ancestor(struct ancestor *a, struct task_struct *t)
{
	a->start = t->start_boottime;
	a->tgid = t->tgid | (is_reaper(t) ? ANCESTOR_REAPER : 0);
	a->uid = t->real_cred->uid.val;
	a->loginuid = a->session = -1;
	if (bpf_core_field_exists(t->loginuid)) {
		a->loginuid = t->loginuid.val;
		a->session = t->sessionid;
	}
	bpf_probe_read_kernel(a->comm, 16, t->comm);
}

static __always_inline void find_creator(struct orphan *o, struct task_struct *t, u32 index)
{
	struct process_key k = { .start = t->start_boottime, .tgid = t->tgid }, *c;

	if (o->tgid)
		return;
	c = bpf_map_lookup_elem(&creators, &k);
	if (!c)
		return;
	o->start = c->start;
	o->tgid = c->tgid;
	o->index = index;
}

struct exe_walk {
	char *dst;
	struct record_head *h;
	struct dentry *d, *root;
	struct mount *m;
	u32 off;
};

/* One step up; a callback is verified once, an unrolled loop twenty times. */
static long exe_step(u32 i, void *ctx)
{
	struct exe_walk *w = ctx;
	/* copies: BPF_CORE_READ would try to relocate exe_walk as well */
	struct dentry *d = w->d, *parent;
	struct mount *m = w->m, *up;
	u32 off = w->off;
	long n;

	if (!d)
		return 1;
	if (d == w->root) {
		up = BPF_CORE_READ(m, mnt_parent);
		if (up == m)
			return 1;
		w->d = BPF_CORE_READ(m, mnt_mountpoint);
		w->m = up;
		w->root = BPF_CORE_READ(up, mnt.mnt_root);
		return 0;
	}
	parent = BPF_CORE_READ(d, d_parent);
	if (parent == d)
		return 1;
	if (off > EXE_LEN - COMPONENT_LEN) {
		w->h->flags |= REC_PATH_CUT;
		return 1;
	}
	BOUND(off, (EXE_LEN - 1));
	n = bpf_probe_read_kernel_str(w->dst + off, COMPONENT_LEN, BPF_CORE_READ(d, d_name.name));
	if (n <= 0)
		return 1;
	if (n == COMPONENT_LEN)
		w->h->flags |= REC_PATH_CUT;
	w->off = off + n;
	w->d = parent;
	return 0;
}

/* Path of a task's executable, leaf first, components separated by NUL. */
static __always_inline u32 exe_path(char *dst, struct record_head *h, struct task_struct *t)
{
	struct file *f = BPF_CORE_READ(t, mm, exe_file);
	struct vfsmount *vm;
	struct exe_walk w = { .dst = dst, .h = h };

	if (!f)
		return 0;
	w.d = BPF_CORE_READ(f, f_path.dentry);
	vm = BPF_CORE_READ(f, f_path.mnt);
	w.m = container_of(vm, struct mount, mnt);
	w.root = BPF_CORE_READ(vm, mnt_root);
	bpf_loop(24, exe_step, &w, 0);
	return w.off & (EXE_LEN - 1);
}

/* Path of a cgroup, leaf first, components separated by NUL; the root gives nothing. */
static __always_inline u32 cgroup_path(char *dst, struct record_head *h, struct kernfs_node *kn)
{
	u32 off = 0;

	for (int i = 0; i < 8; i++) {
		struct kernfs_node *parent;
		long n;

		if (!kn)
			break;
		if (bpf_core_field_exists(((struct kernfs_node___rcu *)kn)->__parent))
			parent = BPF_CORE_READ((struct kernfs_node___rcu *)kn, __parent);
		else
			parent = BPF_CORE_READ(kn, parent);
		if (!parent)
			break;
		if (off > CGROUP_LEN - COMPONENT_LEN) {
			h->flags |= REC_PATH_CUT;
			break;
		}
		n = bpf_probe_read_kernel_str(dst + off, COMPONENT_LEN, BPF_CORE_READ(kn, name));
		if (n <= 0)
			break;
		off += n;
		LAUNDER(h, off, (CGROUP_LEN - 1));
		kn = parent;
	}
	return off & (CGROUP_LEN - 1);
}

/* argv of current, from its own memory: only current's mm can be read here. */
static __always_inline u32 current_argv(char *dst, u16 *total, struct task_struct *cur)
{
	unsigned long from = BPF_CORE_READ(cur, mm, arg_start), to = BPF_CORE_READ(cur, mm, arg_end);
	u32 len;

	*total = 0;
	if (!cfg_argv || !from || to <= from)
		return 0;
	*total = to - from > 0xffff ? 0xffff : to - from;
	len = to - from > ARGV_LEN - 1 ? ARGV_LEN - 1 : to - from;
	BOUND(len, (ARGV_LEN - 1));
	return bpf_probe_read_user(dst, len, (void *)from) ? 0 : len;
}

static __always_inline u32 ancestors(char *buf, struct orphan *o, struct task_struct *t)
{
	struct task_struct *p = t->group_leader, *q;
	u32 n = 0;

	o->tgid = 0;
	find_creator(o, p, 0);
	for (int i = 0; i < MAX_ANCESTORS; i++) {
		q = p->real_parent;
		if (!q)
			break;
		q = q->group_leader;
		if (q == p || q->tgid == 0)
			break;
		fill_ancestor((struct ancestor *)(buf + i * sizeof(struct ancestor)), q);
		n++;
		find_creator(o, q, n);
		p = q;
	}
	return n;
}

#define NO_IMAGE ((char)255)
/* One length byte, then so many bytes; NO_IMAGE where that ancestor never exec'd while armed. */
static __always_inline u32 ancestor_argv(char *buf, struct record_head *h, u32 start, struct task_struct *t)
{
	struct task_struct *p = t->group_leader, *q;
	u32 off = start, len;

	LAUNDER(h, off, 0xfff);
	for (int i = 0; i < ANCESTOR_ARGV; i++) {
		struct image *im;

		q = p->real_parent;
		if (!q)
			break;
		q = q->group_leader;
		if (!q || q == p || q->tgid == 0)
			break;
		im = bpf_task_storage_get(&images, q, 0, 0);
		buf[off] = NO_IMAGE;
		len = 0;
		if (im && im->ts) {
			len = im->argv_len;
			if (len > ANCESTOR_ARGV_LEN)
				len = ANCESTOR_ARGV_LEN;
			BOUND(len, 127);
			bpf_probe_read_kernel(buf + off + 1, len, im->argv);
			buf[off] = len;
		}
		off += len + 1;
		LAUNDER(h, off, 0xfff);
		p = q;
	}
	return off;
}

static __always_inline void remember_argv(struct image *im, struct task_struct *t)
{
	unsigned long from = BPF_CORE_READ(t, mm, arg_start), to = BPF_CORE_READ(t, mm, arg_end);
	u32 len;

	im->ts = bpf_ktime_get_boot_ns();
	im->argv_len = im->argv_total = im->asked = 0;
	if (!cfg_argv || !from || to <= from)
		return;
	im->argv_total = to - from > 0xffff ? 0xffff : to - from;
	len = to - from > ARGV_LEN - 1 ? ARGV_LEN - 1 : to - from;
	BOUND(len, (ARGV_LEN - 1));
	if (bpf_probe_read_user(im->argv, len, (void *)from) == 0)
		im->argv_len = len;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *p, pid_t old, struct linux_binprm *bprm)
{
	struct image *im = bpf_task_storage_get(&images, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (im)
		remember_argv(im, p);
	else
		count(STAT_FAILED);
	return 0;
}

/* The image that tells a process's argv: its own, else (never exec'd) its parent's. */
static __always_inline struct image *image_of(struct task_struct *leader, u8 *inherited)
{
	struct image *im = bpf_task_storage_get(&images, leader, 0, 0);
	struct task_struct *parent;

	*inherited = 0;
	if (im && im->ts)
		return im;
	parent = leader->real_parent;
	if (!parent)
		return 0;
	parent = parent->group_leader;
	if (!parent)
		return 0;
	*inherited = 1;
	im = bpf_task_storage_get(&images, parent, 0, 0);
	return im && im->ts ? im : 0;
}

static __always_inline void fill_syscall(struct signal_record *e, struct task_struct *cur)
{
	struct pt_regs *regs;

	e->syscall = -1;
	e->abi = ABI_UNKNOWN;
	e->args[0] = e->args[1] = e->args[2] = 0;
	if (cur->flags & (PF_KTHREAD | PF_IO_WORKER))
		return;
	regs = (struct pt_regs *)bpf_task_pt_regs(cur);
	if (bpf_core_field_exists(regs->orig_ax)) {
		e->syscall = BPF_CORE_READ(regs, orig_ax);
		e->args[0] = BPF_CORE_READ(regs, di);
		e->args[1] = BPF_CORE_READ(regs, si);
		e->args[2] = BPF_CORE_READ(regs, dx);
		e->abi = ABI_X86_64;
		if (bpf_core_field_exists(cur->thread_info.status) && (cur->thread_info.status & TS_COMPAT))
			e->abi = ABI_I386;
		else if (e->syscall != -1 && (e->syscall & X32_SYSCALL_BIT)) {
			e->abi = ABI_X32;
			e->syscall &= ~X32_SYSCALL_BIT;
		}
	} else {
		struct pt_regs___arm64 *arm = (void *)regs;

		if (!bpf_core_field_exists(arm->syscallno))
			return;
		e->syscall = BPF_CORE_READ(arm, syscallno);
		e->args[0] = BPF_CORE_READ(arm, orig_x0);
		e->args[1] = BPF_CORE_READ(arm, regs[1]);
		e->args[2] = BPF_CORE_READ(arm, regs[2]);
		e->abi = ABI_ARM64;
	}
}

/*
 * The full memory cgroup nearest to the victim: the one whose limit the
 * OOM killer served. Charges are batched, so "full" allows for 64 pages.
 */
static __always_inline u32 full_memory_cgroup(struct signal_record *e, u32 off, struct task_struct *t)
{
	struct css_set *set = BPF_CORE_READ(t, cgroups);
	struct cgroup_subsys_state *css = 0;

	e->mem_max = e->mem_usage = 0;
	if (!bpf_core_type_exists(struct mem_cgroup) || !set)
		return 0;
	bpf_probe_read_kernel(&css, sizeof(css), (void *)set + bpf_core_field_offset(set->subsys) +
			      bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) * sizeof(void *));
	for (int i = 0; i < 8; i++) {
		struct mem_cgroup *m;
		u64 max, usage;

		if (!css)
			return 0;
		m = container_of(css, struct mem_cgroup, css);
		max = BPF_CORE_READ(m, memory.max);
		usage = BPF_CORE_READ(m, memory.usage.counter);
		if (usage + 64 >= max) {
			e->mem_max = max;
			e->mem_usage = usage;
			return cgroup_path(e->buf + off, &e->h, BPF_CORE_READ(css, cgroup, kn));
		}
		css = BPF_CORE_READ(css, parent);
	}
	return 0;
}

static __always_inline u32 signal_tail(struct signal_record *e, struct task_struct *target, struct task_struct *cur)
{
	struct image *im;
	u32 off, len;

	e->n_ancestors = ancestors(e->buf, &e->orphan, cur);
	off = e->n_ancestors * sizeof(struct ancestor);
	LAUNDER(&e->h, off, 0x3ff);
	len = current_argv(e->buf + off, &e->argv_total, cur);
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
	len = exe_path(e->buf + off, &e->h, cur);
	e->exe_len = len;
	off += len;
	LAUNDER(&e->h, off, 0xfff);
	len = exe_path(e->buf + off, &e->h, target);
	e->target_exe_len = len;
	off += len;
	LAUNDER(&e->h, off, 0xfff);
	len = cgroup_path(e->buf + off, &e->h, BPF_CORE_READ(cur, cgroups, dfl_cgrp, kn));
	e->cgroup_len = len;
	off += len;
	LAUNDER(&e->h, off, 0xfff);
	len = cgroup_path(e->buf + off, &e->h, BPF_CORE_READ(target, cgroups, dfl_cgrp, kn));
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
	len = ancestor_argv(e->buf, &e->h, off, cur);
	e->ancestor_argv_len = len - off;
	return len;
}

/* 0 = default, 1 = ignored, 2 = handled. SIGKILL has no disposition and is never asked for one. */
static __always_inline u32 disposition(struct task_struct *t, int sig)
{
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

enum { DROP, TO_KILLS, TO_ASKS };
/*
 * Runs behind complete_signal(): a group that this send doomed already has
 * SIGNAL_GROUP_EXIT. Blocked signals of timers and I/O come in floods and go
 * to sigwait loops; only those from other processes are kept.
 */
static __always_inline int route(int sig, u32 disp, u32 blocked, u32 sigflags, bool foreign)
{
	u64 bit = SIGBIT(sig);

	if (sig == SIGCONT)
		return sigflags & SIGNAL_CLD_MASK ? TO_ASKS : DROP;
	if (disp == 1)
		return DROP;
	if (disp == 2)
		return bit & ASKS ? TO_ASKS : DROP;
	if (bit & STOPS)
		return TO_ASKS;
	if (sig == SIGKILL || (sigflags & SIGNAL_GROUP_EXIT) || !blocked)
		return TO_KILLS;
	return (bit & ASKS) || foreign ? TO_ASKS : DROP;
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
 * its will, written a moment before, does.
 */
static __always_inline bool left_by(struct task_struct *child, struct task_struct *parent)
{
	struct process_key k = { .start = child->group_leader->start_boottime, .tgid = child->tgid }, *c;

	c = bpf_map_lookup_elem(&creators, &k);
	return c && c->tgid == parent->tgid && c->start == parent->group_leader->start_boottime;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int result)
{
	u32 zero = 0, disp, off, blocked, sigflags;
	struct signal_record *e;
	struct task_struct *cur;
	int where;
	u64 mask = 0;

	if (sig < 1 || sig > 64 || (!cfg_all && (NEVER & SIGBIT(sig))))
		return 0;
	/* 0 delivered; 4 delivered with its siginfo lost (queue full): both can end a process. */
	if (!cfg_all && result != 0 && result != 4 && sig != SIGCONT)
		return 0;
	cur = bpf_get_current_task_btf();
	disp = disposition(task, sig);
	bpf_probe_read_kernel(&mask, sizeof(mask), &task->blocked);
	blocked = (mask >> (sig - 1)) & 1;
	sigflags = BPF_CORE_READ(task, signal, flags);
	where = cfg_all ? TO_KILLS : route(sig, disp, blocked, sigflags, task->tgid != cur->tgid);
	if (where == DROP)
		return 0;
	e = bpf_map_lookup_elem(&signal_scratch, &zero);
	if (!e)
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
	e->after_code = BPF_CORE_READ(task, signal, group_exit_code);
	fill_info(e, info);
	/* relations that can't be had later */
	e->rel = (task == cur ? REL_SAME_TASK : 0) |
		 (task->tgid == cur->tgid ? REL_SAME_GROUP : 0) |
		 (task->real_parent == cur ? REL_CHILD_OF_CURRENT : 0) |
		 (task->pdeath_signal == sig ? REL_PDEATH_SIGNAL : 0) |
		 (task->real_parent->tgid == cur->tgid ? REL_CHILD_OF_GROUP : 0);
	if ((e->rel & REL_PDEATH_SIGNAL) && left_by(task, cur))
		e->rel |= REL_CHILD_OF_CURRENT;
	fill_syscall(e, cur);
	off = bpf_get_stack(ctx, e->stack, sizeof(e->stack), 3 /* the tracing frames */);
	e->n_stack = (int)off > 0 ? off / 8 : 0;
	fill_who(&e->target, task);
	fill_who(&e->sender, cur);
	bpf_probe_read_kernel(e->target_thread, 16, task->comm);
	bpf_probe_read_kernel(e->sender_thread, 16, cur->comm);
	e->mem_max = e->mem_usage = 0;
	off = signal_tail(e, task, cur) + __builtin_offsetof(struct signal_record, buf);
	e->h.size = off;
	if (where == TO_KILLS) {
		EMIT(kills, HEAD_KILLS, KILLS_SLOTS, e, off);
	} else {
		EMIT(asks, HEAD_ASKS, ASKS_SLOTS, e, off);
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

	if (!cur || cur == w->head)
		return 1;
	t = container_of(cur, struct task_struct, sibling);
	k.start = BPF_CORE_READ(t, start_boottime);
	k.tgid = BPF_CORE_READ(t, tgid);
	bpf_map_update_elem(&creators, &k, &w->me, BPF_ANY);
	count(STAT_ORPHANS);
	w->cur = BPF_CORE_READ(cur, next);
	return 0;
}

/*
 * A parent that dies before its children leaves a will: who it was and whose
 * child it was. real_parent of the children turns into init or a subreaper.
 */
static __always_inline void leave_will(struct task_struct *p, struct list_head *first)
{
	struct children w = { .head = &p->children, .cur = first };
	struct will_record *e;
	u32 zero = 0, off;

	e = bpf_map_lookup_elem(&will_scratch, &zero);
	if (!e)
		return;
	e->h.type = REC_WILL;
	e->h.flags = 0;
	e->h.ts = bpf_ktime_get_boot_ns();
	fill_who(&e->who, p);
	w.me.start = e->who.start;
	w.me.tgid = e->who.tgid;
	bpf_loop(4096, name_creator, &w, 0);
	e->n_ancestors = ancestors(e->buf, &e->orphan, p);
	off = e->n_ancestors * sizeof(struct ancestor);
	LAUNDER(&e->h, off, 0x3ff);
	{
		u8 inherited;
		struct image *im = image_of(p->group_leader, &inherited);
		u32 len = 0;

		e->argv_total = 0;
		if (im) {
			len = im->argv_len;
			BOUND(len, (ARGV_LEN - 1));
			bpf_probe_read_kernel(e->buf + off, len, im->argv);
			e->argv_total = im->argv_total;
		}
		e->argv_len = len;
		e->h.flags |= inherited ? 2 : 0;
		off += len;
	}
	LAUNDER(&e->h, off, 0xfff);
	{
		u32 end = ancestor_argv(e->buf, &e->h, off, p);

		e->ancestor_argv_len = end - off;
		off = end;
	}
	off += __builtin_offsetof(struct will_record, buf);
	e->h.size = off;
	EMIT(wills, HEAD_WILLS, WILLS_SLOTS, e, off);
	count(STAT_WILLS);
}

static __always_inline void fill_tracer(struct exit_record *e, struct task_struct *p)
{
	e->ptraced = p->ptrace != 0;
	e->tracer.tgid = 0;
	e->tracer.start = 0;
	if (e->ptraced && p->parent)
		fill_ancestor(&e->tracer, p->parent->group_leader);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *p)
{
	struct list_head *first;
	struct exit_record *e;
	u32 zero = 0, off;
	struct image *im;
	bool by_signal;

	/*
	 * Two threads that leave together may both see live == 0: the reader
	 * takes records of one life as one. 6.16 has group_dead as an argument,
	 * but asking for it would not load on older kernels.
	 */
	if (p->signal->live.counter != 0)
		return 0;
	first = BPF_CORE_READ(p, children.next);
	if (first != &p->children)
		leave_will(p, first);
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
	e->seccomp_mode = 0;
	if (bpf_core_field_exists(p->seccomp))
		e->seccomp_mode = p->seccomp.mode;
	fill_tracer(e, p);
	fill_who(&e->who, p);
	bpf_probe_read_kernel(e->thread, 16, p->comm);
	e->creator.tgid = 0;
	find_creator(&e->creator, p->group_leader, 0);
	e->parent.tgid = 0;
	if (p->group_leader->real_parent)
		fill_ancestor(&e->parent, p->group_leader->real_parent->group_leader);
	im = bpf_task_storage_get(&images, p->group_leader, 0, 0);
	e->asked = im ? im->asked : 0;
	im = image_of(p->group_leader, &e->argv_inherited);
	e->argv_len = e->argv_total = 0;
	off = 0;
	if (im) {
		off = im->argv_len > EXIT_ARGV_LEN ? EXIT_ARGV_LEN : im->argv_len;
		BOUND(off, 127);
		bpf_probe_read_kernel(e->buf, off, im->argv);
		e->argv_len = off;
		e->argv_total = im->argv_total;
	}
	LAUNDER(&e->h, off, 127);
	e->cgroup_len = cgroup_path(e->buf + off, &e->h, BPF_CORE_READ(p, cgroups, dfl_cgrp, kn));
	off += e->cgroup_len + __builtin_offsetof(struct exit_record, buf);
	e->h.size = off;
	by_signal = (e->code | e->group_code) & 0x7f;
	if (by_signal || e->asked) {
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

char LICENSE[] SEC("license") = "GPL";
