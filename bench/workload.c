/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation, many times: prints wall and CPU microseconds per operation, children included.
 *   workload forkexec|fork|kill0|ignored|handled|killfork N
 */
#define _GNU_SOURCE
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double usage(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

static double cpu(void)
{
	return usage(RUSAGE_SELF) + usage(RUSAGE_CHILDREN);
}

static void nothing(int sig)
{
	(void)sig;
}

static void forkexec(pid_t other)
{
	char *argv[] = { "true", NULL };
	pid_t p;

	(void)other;
	posix_spawn(&p, "/bin/true", NULL, NULL, argv, environ);
	waitpid(p, NULL, 0);
}

static void forks(pid_t other)
{
	pid_t p = fork();

	(void)other;
	if (!p)
		_exit(0);
	waitpid(p, NULL, 0);
}

static void kill0(pid_t other)
{
	(void)other;
	kill(getpid(), 0);
}

static void ignored(pid_t other)
{
	kill(other, SIGUSR1);
}

static void handled(pid_t other)
{
	(void)other;
	kill(getpid(), SIGUSR1);
}

static void killfork(pid_t other)
{
	pid_t p = fork();

	(void)other;
	if (!p)
		for (;;)
			pause();
	kill(p, SIGKILL);
	waitpid(p, NULL, 0);
}

static const struct {
	const char *name;
	void (*run)(pid_t);
} work[] = { { "forkexec", forkexec }, { "fork", forks },	  { "kill0", kill0 },
	     { "ignored", ignored },   { "handled", handled }, { "killfork", killfork } };

/* a process that ignores SIGUSR1 */
static pid_t deaf(void)
{
	int fd[2];
	char byte;
	pid_t p;

	if (pipe(fd))
		exit(1);
	p = fork();
	if (!p) {
		signal(SIGUSR1, SIG_IGN);
		if (write(fd[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(fd[0], &byte, 1) != 1)
		exit(1);
	return p;
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0;
	double w, c;
	pid_t other;

	for (size_t i = 0; n && i < sizeof(work) / sizeof(*work); i++) {
		if (strcmp(argv[1], work[i].name))
			continue;
		other = deaf();
		signal(SIGUSR1, nothing);
		w = wall();
		c = cpu();
		for (long j = 0; j < n; j++)
			work[i].run(other);
		c = cpu() - c;
		w = wall() - w;
		kill(other, SIGKILL);
		waitpid(other, NULL, 0);
		printf("%.4f %.4f\n", w / n, c / n);
		return 0;
	}
	fprintf(stderr, "usage: workload forkexec|fork|kill0|ignored|handled|killfork N\n");
	return 2;
}
