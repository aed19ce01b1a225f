// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded by User Mode Linux when it has one processor.
 *
 * A kernel for several processors masks the signal by which these interrupt each
 * other whenever it disables interrupts, and unmasks it again: two system calls of
 * the machine where a real one takes two instructions, several times for each
 * packet. With one processor nobody sends that signal, so there is nothing to
 * mask; and locks and atomic operations stay what they are on several.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	static int (*real)(int how, const sigset_t *set, sigset_t *old);
	static sigset_t ipi;

	if (!real) {
		sigemptyset(&ipi);
		sigaddset(&ipi, SIGRTMIN);
		*(void **)&real = dlsym(RTLD_NEXT, "sigprocmask");
	}
	/* Of the words only the first one has signals. */
	if (set && !old && how != SIG_SETMASK &&
	    *(const unsigned long *)set == *(const unsigned long *)&ipi)
		return 0;
	return real(how, set, old);
}
