/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Only the kernel fields the recorder touches; each is relocated when the
 * program is loaded (CO-RE), so offsets here mean nothing. A dumped vmlinux.h
 * would double the blob and tie the build to the kernel of the build host.
 */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s8 __s8;
typedef s16 __s16;
typedef s32 __s32;
typedef s64 __s64;
typedef u16 __be16;
typedef u32 __be32;
typedef u32 __wsum;
typedef _Bool bool;
typedef int pid_t;

enum { false = 0, true = 1 };

enum bpf_map_type {
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum { BPF_ANY = 0 };
enum { BPF_F_NO_PREALLOC = 1, BPF_F_MMAPABLE = 1024 };
enum { BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };
enum { BPF_RB_FORCE_WAKEUP = 2 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head { struct list_head *next, *prev; };
typedef struct { u32 val; } kuid_t;
typedef struct { int counter; } atomic_t;
typedef struct { s64 counter; } atomic64_t;
struct ns_common { unsigned int inum; };
struct pid_namespace { struct ns_common ns; };
struct upid { int nr; struct pid_namespace *ns; };
struct pid { unsigned int level; struct upid numbers[]; };
struct cred { kuid_t uid; };

struct kernfs_node { const char *name; u64 id; struct kernfs_node *parent; };
/* 6.15 made the parent pointer RCU-managed and renamed it. */
struct kernfs_node___rcu { struct kernfs_node *__parent; };
struct cgroup { struct kernfs_node *kn; };
struct cgroup_subsys_state { struct cgroup *cgroup; struct cgroup_subsys_state *parent; };
struct page_counter { atomic64_t usage; unsigned long max; };
struct mem_cgroup { struct cgroup_subsys_state css; struct page_counter memory; };
struct css_set { struct cgroup *dfl_cgrp; struct cgroup_subsys_state *subsys[1]; };
enum cgroup_subsys_id { memory_cgrp_id = 1 };

struct pipe_inode_info { unsigned int readers; };
struct inode { unsigned short i_mode; unsigned long i_ino; struct pipe_inode_info *i_pipe; };
struct qstr { const unsigned char *name; };
struct dentry { struct dentry *d_parent; struct qstr d_name; };
struct vfsmount { struct dentry *mnt_root; };
struct mount { struct mount *mnt_parent; struct dentry *mnt_mountpoint; struct vfsmount mnt; };
struct path { struct vfsmount *mnt; struct dentry *dentry; };
struct file { struct path f_path; struct inode *f_inode; void *private_data; };
/* 6.13 made the count of references one that begins at 0. */
struct file___counted { atomic64_t f_count; };
struct file_ref_t___zero { atomic64_t refcnt; };
struct file___ref { struct file_ref_t___zero f_ref; };
struct fdtable { unsigned int max_fds; struct file **fd; };
struct files_struct { struct fdtable *fdt; };
struct mm_struct { unsigned long arg_start, arg_end; struct file *exe_file; };

struct wait_queue_head { struct list_head head; };
struct wait_queue_entry { struct list_head entry; };
struct poll_table_entry { struct file *filp; struct wait_queue_entry wait; };
struct tty_struct {
	struct tty_struct *link;
	char name[64];
	struct wait_queue_head write_wait, read_wait;
};
struct tty_file_private { struct tty_struct *tty; };

typedef void (*__sighandler_t)(int);
struct sigaction { __sighandler_t sa_handler; };
struct k_sigaction { struct sigaction sa; };
struct sighand_struct { struct k_sigaction action[64]; };
struct rlimit { unsigned long rlim_cur, rlim_max; };
struct signal_struct {
	atomic_t live;
	unsigned int flags;
	int group_exit_code;
	unsigned int is_child_subreaper : 1;
	struct tty_struct *tty;
	struct rlimit rlim[16];
};
typedef struct { unsigned long sig[1]; } sigset_t;
union __sifields { struct { int _pid; u32 _uid; } _kill; struct { u64 _addr; } _sigfault; };
struct kernel_siginfo { int si_signo, si_errno, si_code; union __sifields _sifields; };

struct seccomp_filter;
struct seccomp { int mode; atomic_t filter_count; struct seccomp_filter *filter; };
struct thread_info { u32 status; };
struct task_struct {
	struct thread_info thread_info;
	unsigned int flags, ptrace;
	int exit_code, pdeath_signal;
	pid_t pid, tgid;
	struct task_struct *real_parent, *parent, *group_leader;
	struct list_head children, sibling;
	struct pid *thread_pid;
	u64 start_boottime;
	const struct cred *real_cred;
	char comm[16];
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	sigset_t blocked;
	kuid_t loginuid;
	unsigned int sessionid;
	struct css_set *cgroups;
	struct mm_struct *mm;
	struct files_struct *files;
	struct seccomp seccomp;
};

struct pt_regs { unsigned long orig_ax, di, si, dx, ax, ip, sp; };
struct pt_regs___arm64 { unsigned long regs[31]; unsigned long sp, pc, orig_x0; int syscallno; };
struct linux_binprm;
struct bpf_raw_tracepoint_args { u64 args[0]; };

#pragma clang attribute pop
