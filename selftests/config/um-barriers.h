/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before anything else in what is built for User Mode Linux. There a
 * CPU's barriers for other CPUs are those for devices, fences, where the same
 * CPU's own kernel has none: each unlocking of a spinlock would wait for all
 * stores under way. These are what arch/x86/include/asm/barrier.h comes to.
 */
#define __smp_mb()							\
	({ asm volatile("lock addl $0,-4(%%rsp)" ::: "memory", "cc"); })
#define __smp_rmb()	barrier()
#define __smp_wmb()	barrier()
#define __smp_mb__before_atomic()	do { } while (0)
#define __smp_mb__after_atomic()	do { } while (0)

#define __smp_store_release(pointer, value)				\
do {									\
	typeof(pointer) __to = (pointer);				\
	compiletime_assert_atomic_type(*__to);				\
	barrier();							\
	WRITE_ONCE(*__to, value);					\
} while (0)

#define __smp_load_acquire(pointer)					\
({									\
	typeof(pointer) __from = (pointer);				\
	__unqual_scalar_typeof(*__from) __loaded = READ_ONCE(*__from);	\
	compiletime_assert_atomic_type(*__from);			\
	barrier();							\
	(typeof(*__from))__loaded;					\
})
