/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Settings, rings, scratch space and how a record gets into a ring.
 */
#pragma once

#define PF_IO_WORKER 0x10
#define PF_SIGNALED 0x400
#define PF_KTHREAD 0x200000
#define SIGNAL_GROUP_EXIT 0x4
#define SIGNAL_CLD_MASK 0x30
#define SIGNAL_UNKILLABLE 0x40	/* init of its pid namespace */
#define TS_COMPAT 0x2
#define X32_SYSCALL_BIT 0x40000000
#define CLONE_PARENT 0x8000
#define CLONE_THREAD 0x10000
#define RLIMIT_CPU 0
#define RLIMIT_FSIZE 1
#define RLIMIT_AS 9
#define RLIMIT_RTTIME 15
#define UNLIMITED (~0ULL)
#define S_IFMT 0170000
#define S_IFIFO 0010000

#define SIGBIT(n) (1ULL << ((n) - 1))
/* CHLD, URG and WINCH end nobody by default, and the Go runtime sends URG in floods. */
#define NEVER (SIGBIT(17) | SIGBIT(23) | SIGBIT(28))
#define STOPS (SIGBIT(19) | SIGBIT(20) | SIGBIT(21) | SIGBIT(22))
#define SIGINT 2
#define SIGQUIT 3
#define SIGKILL 9
#define SIGPIPE 13
#define SIGCONT 18
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGSYS 31
#define SI_KERNEL 0x80
/* HUP INT QUIT ABRT TERM: requests to exit, even where the process has a handler. */
#define REQUESTS (SIGBIT(1) | SIGBIT(2) | SIGBIT(3) | SIGBIT(6) | SIGBIT(15))

const volatile u32 cfg_argv = 1;
/* every signal, ignored ones too: for watching live, never for the armed box */
const volatile u32 cfg_all = 0;

u64 heads[8] = {};
enum {
	HEAD_KILLS, HEAD_REQUESTS, HEAD_ORPHANED, HEAD_DEATHS, HEAD_EXITS, HEAD_VICTIMS, HEAD_LIMITS,
	ALWAYS_ZERO
};
/*
 * A zero the verifier does not know. Until 6.7 it looked at a bpf_loop callback once, as called the
 * first time: from a known zero it took later rounds to see zero too, and cut away what they need.
 */
#define HIDDEN_ZERO ((u32)*(volatile u64 *)&heads[ALWAYS_ZERO])

#define ARRAY(name, slot, n)						\
	struct {							\
		__uint(type, BPF_MAP_TYPE_ARRAY);			\
		__uint(max_entries, n);					\
		__uint(map_flags, BPF_F_MMAPABLE);			\
		__type(key, u32);					\
		__type(value, slot);					\
	} name SEC(".maps")

ARRAY(kills, struct big_slot, KILLS_SLOTS);
ARRAY(requests, struct big_slot, REQUESTS_SLOTS);
ARRAY(orphaned, struct middle_slot, ORPHANED_SLOTS);
ARRAY(deaths, struct small_slot, DEATHS_SLOTS);
ARRAY(exits, struct small_slot, EXITS_SLOTS);
ARRAY(victims, struct small_slot, VICTIMS_SLOTS);
ARRAY(limits, struct middle_slot, LIMITS_SLOTS);

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
#define PER_CPU(name, type_of_value)					\
	struct {							\
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);		\
		__uint(max_entries, 1);					\
		__type(key, u32);					\
		__type(value, type_of_value);				\
	} name SEC(".maps")

PER_CPU(signal_scratch, struct signal_record);
PER_CPU(orphaned_scratch, struct process_record);
PER_CPU(exit_scratch, struct exit_record);
PER_CPU(line_scratch, struct process_record);
PER_CPU(exec_scratch, struct process_record);
PER_CPU(fork_scratch, struct process_record);
#ifdef TRAMPOLINES
PER_CPU(limit_scratch, struct process_record);
#endif

/* The last send on this CPU: broadcasts loop over their victims without leaving it. */
struct act {
	u64 ts, first, sender_start;
	u32 sender_tid, victims, where;
	s32 sig, code, syscall;
	u32 info_kind;
	u64 stack[2];
};
PER_CPU(last_act, struct act);
/* So many victims of one act get a record with all that is known of the sender; the others refer. */
#define FULL_VICTIMS 8
/* The ends of those beyond go beside their sends, where they push no other death out. */
#define FEW_VICTIMS 256
#define ACT_GAP_NS 1000000000ULL

enum { STAT_SIGNALS, STAT_DEATHS, STAT_OOMS, STAT_ORPHANED, STAT_EXITS, STAT_TRUNCATED, STAT_FAILED, STAT_ORPHANS, STAT_VICTIMS, STAT_MAX };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STAT_MAX);
	__type(key, u32);
	__type(value, u64);
} stats SEC(".maps");

struct process_key { u64 start; u32 tgid, pad; };
/*
 * Of a process whose parent says nothing about who forked it: who did, which stays, and the parent
 * that exited last before it, which changes with every reaper.
 */
struct beginning { struct process_key creator, left_by; u64 sibling; };
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct process_key);
	__type(value, struct beginning);
} creators SEC(".maps");

/* What a process was at its last exec, and what it went through since; dies with its task. */
struct image {
	u64 ts;
	u32 argv_len, argv_total;
	u32 asked;		/* the last asking signal that it handled or had blocked */
	u32 crowd;		/* one victim of very many: its end may not push others out */
	u64 cpu_soft, cpu_hard, fsize_soft;	/* limits as of the exec */
	u64 stdin_pipe;
	u32 filters, exiter;
	char exiter_name[16];
	char argv[ARGV_LEN];
};
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

/* The kernel stack, innermost first, without the three frames of tracing; gives how many frames. */
static __always_inline u32 take_stack(void *ctx, u64 *frames)
{
	int bytes = bpf_get_stack(ctx, frames, STACK_FRAMES * sizeof(u64), 3);

	return bytes > 0 ? (u32)bytes / 8 : 0;
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

/* Copies a finished record into the next slot of an overwriting ring; gives its number there. */
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
	__n;									\
})
typedef struct big_slot kills_slot_t;
typedef struct big_slot requests_slot_t;
typedef struct middle_slot orphaned_slot_t;
typedef struct middle_slot limits_slot_t;
typedef struct small_slot deaths_slot_t;
typedef struct small_slot exits_slot_t;
typedef struct small_slot victims_slot_t;
