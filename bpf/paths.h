/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Paths of executables and cgroups, leaf first, as the kernel keeps them; open
 * files and the pipes behind them.
 */
#pragma once

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
	struct exe_walk w = { .dst = dst, .h = h, .off = HIDDEN_ZERO };

	if (!f)
		return 0;
	w.d = BPF_CORE_READ(f, f_path.dentry);
	vm = BPF_CORE_READ(f, f_path.mnt);
	w.m = container_of(vm, struct mount, mnt);
	w.root = BPF_CORE_READ(vm, mnt_root);
	bpf_loop(24, exe_step, &w, 0);
	return w.off & (EXE_LEN - 1);
}

struct cgroup_walk { char *dst; struct record_head *h; struct kernfs_node *node; u32 off; };

static long cgroup_step(u32 i, void *ctx)
{
	struct cgroup_walk *w = ctx;
	struct kernfs_node *node = w->node, *parent;
	u32 off = w->off;
	long n;

	if (!node)
		return 1;
	if (bpf_core_field_exists(((struct kernfs_node___rcu *)node)->__parent))
		parent = BPF_CORE_READ((struct kernfs_node___rcu *)node, __parent);
	else
		parent = BPF_CORE_READ(node, parent);
	if (!parent)
		return 1;
	if (off > CGROUP_LEN - COMPONENT_LEN) {
		w->h->flags |= REC_PATH_CUT;
		return 1;
	}
	BOUND(off, (CGROUP_LEN - 1));
	n = bpf_probe_read_kernel_str(w->dst + off, COMPONENT_LEN, BPF_CORE_READ(node, name));
	if (n <= 0)
		return 1;
	w->off = off + n;
	w->node = parent;
	return 0;
}

/* Path of a cgroup, leaf first, components separated by NUL; the root gives nothing. */
static __always_inline u32 cgroup_path(char *dst, struct record_head *h, struct kernfs_node *node)
{
	struct cgroup_walk w = { .dst = dst, .h = h, .node = node, .off = HIDDEN_ZERO };

	bpf_loop(12, cgroup_step, &w, 0);
	return w.off & (CGROUP_LEN - 1);
}

static __always_inline struct file *file_of(struct task_struct *t, u32 fd)
{
	struct file **fds = t->files->fdt->fd, *f = 0;

	if (fds)
		bpf_probe_read_kernel(&f, sizeof(f), fds + fd);
	return f;
}

static __always_inline struct inode *pipe_of(struct file *f)
{
	struct inode *i = f ? BPF_CORE_READ(f, f_inode) : 0;

	if (!i || (BPF_CORE_READ(i, i_mode) & S_IFMT) != S_IFIFO)
		return 0;
	return i;
}

static __always_inline u64 pipe_inode(struct file *f)
{
	struct inode *i = pipe_of(f);

	return i ? BPF_CORE_READ(i, i_ino) : 0;
}
