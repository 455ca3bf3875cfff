/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Who somebody is: identity, ancestors alive and dead, command lines.
 */
#pragma once

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
	w->cgroup = t->cgroups->dfl_cgrp->kn->id;
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
	struct process_key k = { .start = t->start_boottime, .tgid = t->tgid };
	struct beginning *b;

	if (o->tgid)
		return;
	b = bpf_map_lookup_elem(&creators, &k);
	if (!b)
		return;
	o->start = b->creator.start;
	o->tgid = b->creator.tgid;
	o->index = index | (b->sibling ? ORPHAN_SIBLING : 0);
}

/* argv of current, from its own memory: only current's mm can be read here. */
static __always_inline u32 current_argv(char *dst, u16 *total, struct task_struct *cur)
{
	unsigned long from = cur->mm->arg_start, to = cur->mm->arg_end;
	u32 len;

	*total = 0;
	if (!cfg_argv || !from || to <= from)
		return 0;
	*total = to - from > 0xffff ? 0xffff : to - from;
	len = to - from > ARGV_LEN - 1 ? ARGV_LEN - 1 : to - from;
	BOUND(len, (ARGV_LEN - 1));
	return bpf_probe_read_user(dst, len, (void *)from) ? 0 : len;
}

struct ancestor_walk { char *buf; struct orphan *creator; struct task_struct *t; u32 found; };

/* One ancestor up; a callback is verified once, an unrolled loop sixteen times. */
static long add_ancestor(u32 i, void *ctx)
{
	struct ancestor_walk *w = ctx;
	struct task_struct *t = w->t, *up = t->real_parent;
	u32 at = i;

	if (!up)
		return 1;
	up = up->group_leader;
	if (!up || up == t || up->tgid == 0)
		return 1;
	BOUND(at, (MAX_ANCESTORS - 1));
	fill_ancestor((struct ancestor *)(w->buf + at * sizeof(struct ancestor)), up);
	w->found = i + 1;
	find_creator(w->creator, up, i + 1);
	w->t = up;
	return 0;
}

static __always_inline u32 ancestors(char *buf, struct orphan *o, struct task_struct *t)
{
	struct ancestor_walk w = { .buf = buf, .creator = o, .t = t->group_leader };

	o->tgid = 0;
	find_creator(o, w.t, 0);
	bpf_loop(MAX_ANCESTORS, add_ancestor, &w, 0);
	return w.found;
}

#define NO_IMAGE ((char)255)
struct argv_walk { char *buf; struct task_struct *t; u32 off; };

/* One length byte, then so many bytes; NO_IMAGE where that ancestor never exec'd while armed. */
static long add_argv(u32 i, void *ctx)
{
	struct argv_walk *w = ctx;
	struct task_struct *t = w->t, *up = t->real_parent;
	u32 off = w->off, len = 0;
	struct image *im;

	if (!up)
		return 1;
	up = up->group_leader;
	if (!up || up == t || up->tgid == 0)
		return 1;
	BOUND(off, 0xfff);
	im = bpf_task_storage_get(&images, up, 0, 0);
	w->buf[off] = NO_IMAGE;
	if (im && im->ts) {
		len = im->argv_len;
		if (len > ANCESTOR_ARGV_LEN)
			len = ANCESTOR_ARGV_LEN;
		BOUND(len, 127);
		bpf_probe_read_kernel(w->buf + off + 1, len, im->argv);
		w->buf[off] = len;
	}
	w->off = off + len + 1;
	w->t = up;
	return 0;
}

static __always_inline u32 ancestor_argv(char *buf, u32 start, struct task_struct *t)
{
	struct argv_walk w = { .buf = buf, .t = t->group_leader, .off = start };

	bpf_loop(ANCESTOR_ARGV, add_argv, &w, 0);
	return w.off & 0xfff;
}

/* How many seccomp filters bind a task. Only a task itself can add one, so children carry them on. */
static __always_inline u32 filters_of(struct task_struct *t)
{
	if (!bpf_core_field_exists(t->seccomp) || !bpf_core_field_exists(t->seccomp.filter_count))
		return NO_COUNT;
	return t->seccomp.filter_count.counter;
}

static __always_inline void remember_image(struct image *im, struct task_struct *t)
{
	unsigned long from = t->mm->arg_start, to = t->mm->arg_end;
	u32 len;

	im->ts = bpf_ktime_get_boot_ns();
	im->argv_len = im->argv_total = im->asked = im->crowd = im->exiter = 0;
	im->cpu_soft = t->signal->rlim[RLIMIT_CPU].rlim_cur;
	im->cpu_hard = t->signal->rlim[RLIMIT_CPU].rlim_max;
	im->fsize_soft = t->signal->rlim[RLIMIT_FSIZE].rlim_cur;
	im->filters = filters_of(t);
	im->stdin_pipe = pipe_inode(file_of(t, 0));
	if (!cfg_argv || !from || to <= from)
		return;
	im->argv_total = to - from > 0xffff ? 0xffff : to - from;
	len = to - from > ARGV_LEN - 1 ? ARGV_LEN - 1 : to - from;
	BOUND(len, (ARGV_LEN - 1));
	if (bpf_probe_read_user(im->argv, len, (void *)from) == 0)
		im->argv_len = len;
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

/* The first eight bytes of a name as a number. */
#define NAME(a, b, c, d, e, f, g, h)						\
	((u64)(a) | (u64)(b) << 8 | (u64)(c) << 16 | (u64)(d) << 24 | (u64)(e) << 32 | \
	 (u64)(f) << 40 | (u64)(g) << 48 | (u64)(h) << 56)
#define WORD(a, b, c, d) ((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)

struct word_walk { char *argv; u32 len, at_word, found; };

/* A word that begins like a verb that ends something. */
static long look_for_verb(u32 i, void *ctx)
{
	struct word_walk *w = ctx;
	u32 word = 0, at = i;

	if (i + 4 > w->len)
		return 1;
	BOUND(at, (ARGV_LEN - 1));
	bpf_probe_read_kernel(&word, sizeof(word), w->argv + at);
	if (w->at_word)
		switch (word) {
		case WORD('s', 't', 'o', 'p'): case WORD('k', 'i', 'l', 'l'): case WORD('r', 'e', 's', 't'):
		case WORD('i', 's', 'o', 'l'): case WORD('t', 'r', 'y', '-'): case WORD('r', 'e', 'l', 'o'):
		case WORD('t', 'e', 'r', 'm'): case WORD('d', 'o', 'w', 'n'): case WORD('d', 'e', 'l', 'e'):
		case WORD('d', 'r', 'a', 'i'): case WORD('r', 'm', 0, '-'): case WORD('r', 'e', 'b', 'o'):
		case WORD('p', 'o', 'w', 'e'): case WORD('h', 'a', 'l', 't'): case WORD('r', 'e', 'm', 'o'):
		case WORD('f', 'r', 'e', 'e'): case WORD('c', 'o', 'n', 'd'): case WORD('e', 'x', 'i', 't'):
			w->found = 1;
			return 1;
		}
	w->at_word = !(word & 0xff);
	return 0;
}

/* A client of a service manager with such a verb: the manager will send, the client asked for it. */
static __always_inline bool asks_a_manager(struct task_struct *t, struct image *im)
{
	struct word_walk w = { .argv = im->argv, .len = im->argv_len, .at_word = HIDDEN_ZERO };
	u64 name = 0;

	bpf_probe_read_kernel(&name, sizeof(name), t->comm);
	switch (name) {
	case NAME('r', 'e', 'b', 'o', 'o', 't', 0, 0): case NAME('h', 'a', 'l', 't', 0, 0, 0, 0):
	case NAME('p', 'o', 'w', 'e', 'r', 'o', 'f', 'f'): case NAME('s', 'h', 'u', 't', 'd', 'o', 'w', 'n'):
	case NAME('t', 'e', 'l', 'i', 'n', 'i', 't', 0):
		return true;
	case NAME('s', 'y', 's', 't', 'e', 'm', 'c', 't'): case NAME('l', 'o', 'g', 'i', 'n', 'c', 't', 'l'):
	case NAME('m', 'a', 'c', 'h', 'i', 'n', 'e', 'c'): case NAME('s', 'e', 'r', 'v', 'i', 'c', 'e', 0):
	case NAME('d', 'o', 'c', 'k', 'e', 'r', 0, 0): case NAME('p', 'o', 'd', 'm', 'a', 'n', 0, 0):
	case NAME('n', 'e', 'r', 'd', 'c', 't', 'l', 0): case NAME('c', 'r', 'i', 'c', 't', 'l', 0, 0):
	case NAME('c', 't', 'r', 0, 0, 0, 0, 0): case NAME('k', 'u', 'b', 'e', 'c', 't', 'l', 0):
	case NAME('r', 'u', 'n', 'c', 0, 0, 0, 0): case NAME('c', 'r', 'u', 'n', 0, 0, 0, 0):
	case NAME('v', 'i', 'r', 's', 'h', 0, 0, 0):
		break;
	default:
		return false;
	}
	bpf_loop(ARGV_LEN, look_for_verb, &w, 0);
	return w.found;
}
