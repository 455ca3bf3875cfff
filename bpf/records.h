/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Layout of what the recorder writes. src/killtrail/recorder/layout.py is the
 * reader's copy; LAYOUT goes up with every change, and a reader refuses pins
 * of another layout.
 */
#pragma once

#define LAYOUT 3

#define MAX_ANCESTORS 16
#define STACK_FRAMES 12
#define ARGV_LEN 256		/* sender's, and per exec in the store */
#define TARGET_ARGV_LEN 128
#define EXIT_ARGV_LEN 80
#define ANCESTOR_ARGV 8		/* so many ancestors with argv */
#define ANCESTOR_ARGV_LEN 120
#define EXE_LEN 256
#define CGROUP_LEN 256
#define COMPONENT_LEN 96

/* any offset the verifier may believe in (12 bits), and one string more */
#define BUF_LEN (4096 + 512)

enum record_type {
	REC_SIGNAL = 1, REC_DEATH = 2, REC_OOM = 3,
	REC_ORPHANED = 4,	/* a process exited before its children */
	REC_LINE = 5,		/* a kernel log line, with the process that caused it */
	REC_CLIENT = 6,		/* a client asked a service manager to stop or kill something */
	REC_REPLACED = 7,	/* a thread's exec replaced its process and ended its siblings */
	REC_THREAD = 8,		/* one thread died of a signal, its process goes on */
	REC_SIBLING = 9,	/* a process created a sibling of its own (CLONE_PARENT) */
	REC_LIMIT_SET = 10,	/* a process set a resource limit of another one (prlimit) */
};

/* ring sizes are powers of two: a slot is head & (size - 1) */
#define KILLS_SLOTS 4096
#define REQUESTS_SLOTS 512
#define ORPHANED_SLOTS 1024
#define DEATHS_SLOTS 4096
#define EXITS_SLOTS 4096
#define VICTIMS_SLOTS 8192	/* sends and ends */
#define LIMITS_SLOTS 256

#define SLOT_HEAD 24
/*
 * A slot is whole when begin == end == sequence + 1: the writer sets begin
 * first and end last, so a reader that raced with it sees the difference.
 */
struct big_slot { u64 begin, end; u32 size, flags; char d[2048 - SLOT_HEAD]; };
struct middle_slot { u64 begin, end; u32 size, flags; char d[1024 - SLOT_HEAD]; };
struct small_slot { u64 begin, end; u32 size, flags; char d[512 - SLOT_HEAD]; };
#define SLOT_TRUNCATED 1

struct record_head { u16 type, flags; u32 size; u64 ts; };
#define REC_PATH_CUT 1		/* an exe or cgroup component was longer than COMPONENT_LEN */
#define REC_ARGV_INHERITED 2	/* it never exec'd: the command line is its parent's */
#define REC_OF_HOLDER 4		/* ancestors and texts are the terminal holder's, not the kernel thread's */

struct who {			/* 64 bytes */
	u64 start, cgroup;
	u32 tgid, tid, uid, loginuid, session, pidns, nspid, flags;
	char comm[16];
};

/*
 * Bit 31 of tgid: a reaper, that is an init or a child subreaper. Only those
 * are handed orphans; any other parent has forked its children itself.
 */
#define ANCESTOR_REAPER 0x80000000
struct ancestor {		/* 40 bytes */
	u64 start;
	u32 tgid, uid, loginuid, session;
	char comm[16];
};

/*
 * Who forked `index` of the chain (0 = the head itself), if that one had exited before, or, with
 * bit 31 of index, made it its own sibling (CLONE_PARENT).
 */
#define ORPHAN_SIBLING 0x80000000
struct orphan { u64 start; u32 tgid, index; };

#define REL_SAME_TASK 1
#define REL_SAME_GROUP 2
#define REL_CHILD_OF_CURRENT 4
#define REL_PDEATH_SIGNAL 8
#define REL_CHILD_OF_GROUP 16

#define ABI_UNKNOWN 0
#define ABI_X86_64 1
#define ABI_I386 2
#define ABI_X32 3
#define ABI_ARM64 4

/*
 * What only some ways to die need, before the ancestors. Carriers: how many
 * ancestors in a row, from the parent on, have the very same limit (or any
 * filter): the last of them, or else the process itself, is where it came in.
 */
enum extra { EXTRA_NONE, EXTRA_LIMIT, EXTRA_FILTER, EXTRA_TERMINAL, EXTRA_PIPE };
struct limit_extra { u64 soft, hard, exec_soft, exec_hard; u32 resource, carriers; };
struct filter_extra { u32 filters, at_exec, carriers, full_carriers; };
struct terminal_extra {
	struct ancestor holder;	/* has the other end open; tgid 0 = none among the ancestors */
	u32 pty, known;		/* so many descriptors refer to that end, all of them ancestors'; 0 = others as well */
	u32 depth, counter;	/* the holder is so many parents up, 0 = none is; what the walks count in */
	char name[16];
};
struct pipe_extra { u64 inode; };
#define NO_COUNT 0xffffffff
#define UNKNOWN_LIMIT 0xfffffffffffffffeULL

/*
 * A record in the ring of victims ends before buf: who sent it, from where
 * and how stands in the record of kills (IN_REQUESTS: of requests) numbered
 * act - 1, the first victim's.
 */
#define IN_REQUESTS (1ULL << 62)
struct signal_record {
	struct record_head h;
	s32 sig, code, si_pid, si_uid;
	u8 result, group, disposition, blocked, info_kind, rel, n_ancestors, n_stack;
	s32 syscall;
	u32 abi;
	u64 args[3];
	u32 after_flags;	/* signal_struct.flags and group_exit_code behind the send */
	s32 after_code;
	struct orphan orphan;
	struct who target, sender;
	char target_thread[16], sender_thread[16];
	u64 stack[STACK_FRAMES];
	u64 mem_max, mem_usage;	/* pages, of the memory cgroup that was full */
	u16 argv_len, argv_total, target_argv_len, target_argv_total;
	u16 exe_len, target_exe_len, cgroup_len, target_cgroup_len, mem_cgroup_len, ancestor_argv_len;
	u8 target_argv_inherited, extra;
	u16 extra_len;
	u64 act;
	u64 ip, sp;		/* of current, in user space */
	char buf[BUF_LEN];
};

enum { RETURNS_UNKNOWN, RETURNS_TO_CODE, RETURNS_TO_STACK };
struct exit_record {
	struct record_head h;
	s32 code, group_code, leader_code;
	u32 signal_flags;
	u8 seccomp_mode, ptraced, asked, argv_inherited;
	u8 n_stack, returns_to, filters, pad;
	u16 argv_len, argv_total, cgroup_len, pad2;
	u32 exiter, pad3;	/* tid of the thread that called exit_group, named in `thread`; 0 = not known */
	u64 as_limit;
	u64 stdin_pipe;		/* inode, if this end was the pipe's last reader */
	u64 exec_pipe;		/* its standard input when its program was started, if its parent's is another */
	struct who who;
	struct ancestor parent, tracer;
	char thread[16];
	struct orphan creator;
	char buf[640];		/* stack, argv, then the cgroup's path, leaf first: a cut takes its root end */
};

struct oom_record {
	struct record_head h;
	u32 victim, pad;
	u64 victim_start;	/* 0 where the tracepoint gives a pid only (before 6.8) */
	struct ancestor trigger;
};

/*
 * A process with its ancestors: REC_ORPHANED, REC_SIBLING, REC_CLIENT; REC_LINE has a text of its
 * own at the end; REC_LIMIT_SET says which limit of whom the process set.
 */
struct process_record {
	struct record_head h;
	u64 target_start, soft, hard;
	u32 target, resource;
	struct orphan orphan;
	struct who who;
	u16 n_ancestors, argv_len, argv_total, ancestor_argv_len;
	char buf[BUF_LEN];
};
#define LINE_LEN 64

struct replaced_record {
	struct record_head h;
	u32 old_tid, argv_len;
	struct who who;
	char argv[128];
};

struct thread_record {
	struct record_head h;
	s32 code;
	u32 n_stack;
	struct who who;
	char thread[16];
	u64 stack[STACK_FRAMES];
};
