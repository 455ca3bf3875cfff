/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What stands behind some signals and is gone a moment later: the call in
 * flight, the full memory cgroup, who carries a limit or filter, who holds the
 * other end of a terminal or pipe.
 */
#pragma once

static __always_inline void fill_syscall(struct signal_record *e, struct task_struct *cur)
{
	struct pt_regs *regs;

	e->syscall = -1;
	e->abi = ABI_UNKNOWN;
	e->args[0] = e->args[1] = e->args[2] = 0;
	e->ip = e->sp = 0;
	if (cur->flags & (PF_KTHREAD | PF_IO_WORKER))
		return;
	regs = (struct pt_regs *)bpf_task_pt_regs(cur);
	if (bpf_core_field_exists(regs->orig_ax)) {
		e->ip = regs->ip;
		e->sp = regs->sp;
		e->syscall = regs->orig_ax;
		e->args[0] = regs->di;
		e->args[1] = regs->si;
		e->args[2] = regs->dx;
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
		e->ip = BPF_CORE_READ(arm, pc);
		e->sp = BPF_CORE_READ(arm, sp);
		e->syscall = BPF_CORE_READ(arm, syscallno);
		e->args[0] = BPF_CORE_READ(arm, orig_x0);
		e->args[1] = BPF_CORE_READ(arm, regs[1]);
		e->args[2] = BPF_CORE_READ(arm, regs[2]);
		e->abi = ABI_ARM64;
	}
}

struct memory_walk { struct cgroup_subsys_state *css; u64 max, usage; };

static long full_group(u32 i, void *ctx)
{
	struct memory_walk *w = ctx;
	struct cgroup_subsys_state *css = w->css;
	struct mem_cgroup *m;

	if (!css)
		return 1;
	m = container_of(css, struct mem_cgroup, css);
	w->max = BPF_CORE_READ(m, memory.max);
	w->usage = BPF_CORE_READ(m, memory.usage.counter);
	if (w->usage + 64 >= w->max)
		return 1;
	w->css = BPF_CORE_READ(css, parent);
	return 0;
}

/*
 * The full memory cgroup nearest to the victim: the one whose limit the
 * OOM killer served. Charges are batched, so "full" allows for 64 pages.
 */
static __always_inline u32 full_memory_cgroup(struct signal_record *e, u32 off, struct task_struct *t)
{
	struct css_set *set = BPF_CORE_READ(t, cgroups);
	struct cgroup_subsys_state *css;
	struct memory_walk w = {};

	if (!bpf_core_type_exists(struct mem_cgroup) || !set)
		return 0;
	bpf_probe_read_kernel(&w.css, sizeof(w.css), (void *)set + bpf_core_field_offset(set->subsys) +
			      bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id) * sizeof(void *));
	bpf_loop(8, full_group, &w, 0);
	css = w.css;
	if (!css || w.usage + 64 < w.max)
		return 0;
	e->mem_max = w.max;
	e->mem_usage = w.usage;
	return cgroup_path(e->buf + off, &e->h, BPF_CORE_READ(css, cgroup, kn));
}

static __always_inline void *limit_of(struct signal_struct *s, u32 resource)
{
	return (void *)s + bpf_core_field_offset(s->rlim) + resource * sizeof(struct rlimit);
}

/* Counts stand in the record, not in the walk: the verifier need not follow them there. */
struct limit_walk { struct task_struct *t; struct limit_extra *x; };

static long same_limit(u32 i, void *ctx)
{
	struct limit_walk *w = ctx;
	struct task_struct *t = w->t, *up;
	struct limit_extra *x = w->x;
	struct rlimit limit = {};

	up = BPF_CORE_READ(t, real_parent, group_leader);
	if (!up || up == t || !BPF_CORE_READ(up, tgid))
		return 1;
	bpf_probe_read_kernel(&limit, sizeof(limit), limit_of(BPF_CORE_READ(up, signal), x->resource));
	if (limit.rlim_cur != x->soft || limit.rlim_max != x->hard)
		return 1;
	x->carriers = i + 1;
	w->t = up;
	return 0;
}

static __always_inline u32 limit_extra(struct limit_extra *x, struct task_struct *t, int sig)
{
	struct limit_walk w = { .t = t->group_leader, .x = x };
	struct image *im = bpf_task_storage_get(&images, t->group_leader, 0, 0);
	struct rlimit limit = {};
	u32 resource = sig == SIGXFSZ ? RLIMIT_FSIZE : RLIMIT_CPU;

	/* SIGXCPU and SIGKILL come for real-time runs as well. */
	if (sig != SIGXFSZ && t->signal->rlim[RLIMIT_CPU].rlim_cur == UNLIMITED)
		resource = RLIMIT_RTTIME;
	bpf_probe_read_kernel(&limit, sizeof(limit), limit_of(t->signal, resource));
	x->soft = limit.rlim_cur;
	x->hard = limit.rlim_max;
	x->resource = resource;
	x->carriers = 0;
	bpf_loop(MAX_ANCESTORS, same_limit, &w, 0);
	x->exec_soft = x->exec_hard = UNKNOWN_LIMIT;
	if (im && im->ts && resource == RLIMIT_CPU) {
		x->exec_soft = im->cpu_soft;
		x->exec_hard = im->cpu_hard;
	} else if (im && im->ts && resource == RLIMIT_FSIZE) {
		x->exec_soft = im->fsize_soft;
	}
	return sizeof(*x);
}

static __always_inline void *last_filter(struct task_struct *t)
{
	if (!bpf_core_field_exists(t->seccomp) || !bpf_core_field_exists(t->seccomp.filter))
		return 0;
	return BPF_CORE_READ(t, seccomp.filter);
}

struct filter_walk { struct task_struct *t; void *filter; struct filter_extra *x; };

/* Equal numbers of filters may be different ones; the last one added stands for all before it. */
static long same_filter(u32 i, void *ctx)
{
	struct filter_walk *w = ctx;
	struct task_struct *t = w->t, *up;
	struct filter_extra *x = w->x;
	void *filter;

	up = BPF_CORE_READ(t, real_parent, group_leader);
	if (!up || up == t || !BPF_CORE_READ(up, tgid))
		return 1;
	filter = last_filter(up);
	if (!filter)
		return 1;
	x->carriers = i + 1;
	if (x->full_carriers == i && filter == w->filter)
		x->full_carriers = i + 1;
	w->t = up;
	return 0;
}

static __always_inline u32 filter_extra(struct filter_extra *x, struct task_struct *t)
{
	struct filter_walk w = { .t = t->group_leader, .x = x, .filter = last_filter(t) };
	struct image *im = bpf_task_storage_get(&images, t->group_leader, 0, 0);

	x->filters = filters_of(t);
	x->carriers = x->full_carriers = 0;
	bpf_loop(MAX_ANCESTORS, same_filter, &w, 0);
	x->at_exec = im && im->ts ? im->filters : NO_COUNT;
	return sizeof(*x);
}

struct holder_walk {
	struct task_struct *t;
	struct tty_struct *other_end;
	struct file **fds, *file;
	struct terminal_extra *x;
	u32 fd, max;
};

/* One descriptor further, or the first of the next ancestor. */
static long look_for_holder(u32 i, void *ctx)
{
	struct holder_walk *w = ctx;
	struct task_struct *t = w->t;
	struct tty_file_private *private;
	struct file *f = 0;

	if (w->fd >= w->max) {
		struct fdtable *table;

		t = BPF_CORE_READ(t, real_parent, group_leader);
		if (!t || !BPF_CORE_READ(t, tgid) || t == w->t)
			return 1;
		table = BPF_CORE_READ(t, files, fdt);
		w->x->counter++;
		w->t = t;
		w->fd = 0;
		w->max = table ? BPF_CORE_READ(table, max_fds) : 0;
		w->fds = table ? BPF_CORE_READ(table, fd) : 0;
		if (w->max > 512)
			w->max = 512;
		return 0;
	}
	bpf_probe_read_kernel(&f, sizeof(f), w->fds + w->fd);
	w->fd++;
	if (!f)
		return 0;
	private = BPF_CORE_READ(f, private_data);
	if (!private || BPF_CORE_READ(private, tty) != w->other_end)
		return 0;
	/* In the record, not in w: the verifier need not follow counts there, nor believes in a first zero. */
	if (!w->x->depth) {
		w->x->depth = w->x->counter;
		w->file = f;
	}
	w->x->known += f == w->file;
	return 0;
}

static __always_inline u64 references_to(struct file *f)
{
	if (bpf_core_field_exists(((struct file___ref *)f)->f_ref))
		return BPF_CORE_READ((struct file___ref *)f, f_ref.refcnt.counter) + 1;
	return BPF_CORE_READ((struct file___counted *)f, f_count.counter);
}

struct poll_walk { struct list_head *head, *cur; struct file *file; struct terminal_extra *x; };

static long count_poll(u32 i, void *ctx)
{
	struct poll_walk *w = ctx;
	struct list_head *cur = w->cur;
	struct wait_queue_entry *wait;

	if (!cur || cur == w->head)
		return 1;
	wait = container_of(cur, struct wait_queue_entry, entry);
	if (BPF_CORE_READ(container_of(wait, struct poll_table_entry, wait), filp) == w->file)
		w->x->counter++;
	w->cur = BPF_CORE_READ(cur, next);
	return 0;
}

/*
 * Who waits in poll(2) or select(2) holds a reference for each queue it waits in, and terminals,
 * ssh and script always do. Other waiters are no poll_table_entry: what is read there is no such file.
 */
static __always_inline void count_polls(struct terminal_extra *x, struct wait_queue_head *queue, struct file *file)
{
	struct poll_walk w = { .head = &queue->head, .file = file, .x = x };

	if (!bpf_core_type_exists(struct poll_table_entry))
		return;
	w.cur = BPF_CORE_READ(queue, head.next);
	bpf_loop(64, count_poll, &w, 0);
}

struct climb { struct task_struct *t; };

static long one_up(u32 i, void *ctx)
{
	struct climb *c = ctx;
	struct task_struct *up = c->t->real_parent;

	if (!up)
		return 1;
	c->t = up->group_leader;
	return 0;
}

/* The ancestor so many parents up, as a pointer that the verifier knows. */
static __always_inline struct task_struct *ancestor_of(struct task_struct *t, u32 depth)
{
	struct climb c = { .t = t->group_leader };

	bpf_loop(depth, one_up, &c, 0);
	return c.t;
}

/*
 * A key on a terminal comes through a kworker; what wrote it has the other end
 * of the pty open. Terminals, ssh and multiplexers start what runs in them, so
 * the holder is looked for among the ancestors.
 */
static __always_inline u32 terminal_extra(struct terminal_extra *x, struct task_struct *t)
{
	struct holder_walk w = {
		.t = t->group_leader, .x = x, .fd = HIDDEN_ZERO, .max = HIDDEN_ZERO,
		.file = (void *)(u64)HIDDEN_ZERO,
	};
	struct tty_struct *tty = BPF_CORE_READ(t, signal, tty);

	if (!tty)
		return 0;
	w.other_end = BPF_CORE_READ(tty, link);
	x->pty = w.other_end != 0;
	x->known = x->depth = x->counter = 0;
	x->holder.tgid = 0;
	bpf_probe_read_kernel_str(x->name, sizeof(x->name), tty->name);
	if (!x->pty)
		return sizeof(*x);
	bpf_loop(4096, look_for_holder, &w, 0);
	if (!x->depth)
		return sizeof(*x);
	fill_ancestor(&x->holder, ancestor_of(t, x->depth));
	x->counter = 0;
	count_polls(x, &w.other_end->read_wait, w.file);
	count_polls(x, &w.other_end->write_wait, w.file);
	if (references_to(w.file) != x->known + x->counter)
		x->known = 0;
	return sizeof(*x);
}

static __always_inline u32 pipe_extra(struct pipe_extra *x, struct signal_record *e, struct task_struct *t)
{
	u32 fd = e->args[0];

	if (e->syscall < 0 || fd > 65535)
		return 0;
	BOUND(fd, 65535);
	x->inode = pipe_inode(file_of(t, fd));
	return x->inode ? sizeof(*x) : 0;
}

/* The pipe that loses its last reader when this process's standard input is closed, 0 = none. */
static __always_inline u64 last_read_of(struct task_struct *t)
{
	struct file *f = file_of(t, 0);
	struct inode *i = pipe_of(f);

	if (!i || references_to(f) != 1 || BPF_CORE_READ(i, i_pipe, readers) != 1)
		return 0;
	return BPF_CORE_READ(i, i_ino);
}

/*
 * The pipe it was started to read, unless its parent reads it as well: then
 * which of them was the last one can't be told from their ends.
 */
static __always_inline u64 pipe_of_its_own(struct task_struct *t, struct image *im)
{
	struct task_struct *parent = t->group_leader->real_parent;
	u64 pipe = im->stdin_pipe;

	/* Who has it open to the end, and not alone, did not end the reading. */
	if (!pipe || pipe_inode(file_of(t, 0)) == pipe)
		return 0;
	if (!parent)
		return pipe;
	parent = parent->group_leader;
	im = parent ? bpf_task_storage_get(&images, parent, 0, 0) : 0;
	if ((im && im->stdin_pipe == pipe) || (parent && pipe_inode(file_of(parent, 0)) == pipe))
		return 0;
	return pipe;
}

/* What the way to die needs; its kind goes into e->extra, its bytes to dst. */
static __always_inline u32 extra_of(char *dst, struct signal_record *e, struct task_struct *target, struct task_struct *cur)
{
	u32 len = 0;

	e->extra = EXTRA_NONE;
	if (e->sig == SIGSYS && target == cur) {
		e->extra = EXTRA_FILTER;
		len = filter_extra((void *)dst, target);
	} else if (e->sig == SIGXFSZ || e->sig == SIGXCPU ||
		   (e->sig == SIGKILL && e->info_kind == 1 && target->tgid == cur->tgid)) {
		e->extra = EXTRA_LIMIT;
		len = limit_extra((void *)dst, target, e->sig);
	} else if (e->sig == SIGPIPE && target == cur) {
		e->extra = EXTRA_PIPE;
		len = pipe_extra((void *)dst, e, cur);
	} else if ((e->sig == SIGINT || e->sig == SIGQUIT) && e->info_kind == 1) {
		e->extra = EXTRA_TERMINAL;
		len = terminal_extra((void *)dst, target);
	}
	return len;
}

/* A thread that is ended by another one's exit_group dies in some other call. */
static __always_inline bool calls_exit_group(struct task_struct *t)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(t);

	if (bpf_core_field_exists(regs->orig_ax)) {
		u64 number = regs->orig_ax;
		bool compat = bpf_core_field_exists(t->thread_info.status) && (t->thread_info.status & TS_COMPAT);

		return number == (compat ? 252 : 231);
	}
	return BPF_CORE_READ((struct pt_regs___arm64 *)regs, syscallno) == 94;
}

/*
 * A debugger that makes a process call something leaves a return address on
 * the stack itself, where no code of a program is. Its memory can be read
 * here since 6.16 only: before, it was gone by now.
 */
static __always_inline u8 returns_to(struct task_struct *t)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(t);
	u64 sp, back = 0;

	if (!bpf_core_field_exists(regs->orig_ax))
		return RETURNS_UNKNOWN;
	sp = BPF_CORE_READ(regs, sp);
	if (bpf_probe_read_user(&back, sizeof(back), (void *)sp))
		return RETURNS_UNKNOWN;
	return back - sp + 65536 < 131072 ? RETURNS_TO_STACK : RETURNS_TO_CODE;
}
