// SPDX-License-Identifier: GPL-2.0

//! The machine: atomic words, and CPUs whose read-side sections a grace period waits for.

use std::marker::PhantomData;

use loom::sync::{
    atomic::{
        fence, AtomicU32, AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
    Mutex, MutexGuard,
};
use rlvs_core::{
    connection::{self, REMOVED, UNCOUNTED},
    schedule::marks,
};

/// An atomic value of which loom tries every order.
///
/// Of each atomic, loom remembers the last access only. When a thread reads a value and then writes
/// it, it does not see that the writing could have come before another thread's earlier reading.
/// Nothing is missed when each reading is preceded by a change of something else, which orders no
/// memory: of two changes loom tries both orders.
pub(crate) struct Observed<A> {
    value: A,
    turn: AtomicU32,
}

impl<A> Observed<A> {
    pub(crate) fn new(value: A) -> Self {
        Self {
            value,
            turn: AtomicU32::new(0),
        }
    }

    /// To read.
    pub(crate) fn reading(&self) -> &A {
        self.turn.fetch_add(1, Relaxed);
        &self.value
    }

    /// To write, or to change in one step.
    pub(crate) fn writing(&self) -> &A {
        &self.value
    }
}

/// A fault of a word, to see that the model finds what it would lead to.
pub(crate) trait Fault: Send + Sync + 'static {
    /// Bits that are never set.
    const LOST: u32 = 0;
    /// Reading and writing are two steps.
    const TORN: bool = false;
    /// Nothing orders anything.
    const UNORDERED: bool = false;
}

/// No fault.
pub(crate) struct Sound;
impl Fault for Sound {}

/// An entry is taken for counted from its start.
pub(crate) struct NeverUncounted;
impl Fault for NeverUncounted {
    const LOST: u32 = UNCOUNTED;
}

/// A removal leaves no mark.
pub(crate) struct NeverRemoved;
impl Fault for NeverRemoved {
    const LOST: u32 = REMOVED;
}

/// No instruction of the CPU does both.
pub(crate) struct Torn;
impl Fault for Torn {
    const TORN: bool = true;
}

/// Additions and the bits order nothing.
pub(crate) struct Unordered;
impl Fault for Unordered {
    const UNORDERED: bool = true;
}

/// The word that the lifecycle runs on. Nothing but an addition has an order, as in the module.
pub(crate) struct Word<F> {
    value: Observed<AtomicU32>,
    fault: PhantomData<F>,
}

impl<F: Fault> connection::Word for Word<F> {
    fn new(value: u32) -> Self {
        Self {
            value: Observed::new(AtomicU32::new(value & !F::LOST)),
            fault: PhantomData,
        }
    }

    fn load(&self) -> u32 {
        self.value.reading().load(Relaxed)
    }

    fn store(&self, value: u32) {
        self.value.writing().store(value, Relaxed);
    }

    fn compare_exchange(&self, old: u32, new: u32) -> Result<(), u32> {
        let (old, new) = (old & !F::LOST, new & !F::LOST);
        if F::TORN {
            let current = self.load();
            if current != old {
                return Err(current);
            }
            self.store(new);
            return Ok(());
        }
        self.value
            .writing()
            .compare_exchange(old, new, Relaxed, Relaxed)
            .map(|_| ())
    }

    fn add(&self, value: u32) {
        self.value.writing().fetch_add(value, Relaxed);
        if !F::UNORDERED {
            fence(SeqCst);
        }
    }
}

/// The bits that show what has changed. A fault that is [`Fault::UNORDERED`] takes the order from
/// them too.
pub(crate) struct Bits<F> {
    value: AtomicU64,
    fault: PhantomData<F>,
}

/// What a fully ordered operation of the kernel is: one between two fences.
fn ordered<F: Fault, R>(operation: impl FnOnce() -> R) -> R {
    if F::UNORDERED {
        return operation();
    }
    fence(SeqCst);
    let result = operation();
    fence(SeqCst);
    result
}

impl<F: Fault> marks::Bits for Bits<F> {
    fn new() -> Self {
        Self {
            value: AtomicU64::new(0),
            fault: PhantomData,
        }
    }

    fn load(&self) -> u64 {
        self.value.load(Relaxed)
    }

    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
        ordered::<F, _>(|| {
            let done = self.value.compare_exchange(old, new, Relaxed, Relaxed);
            done.map(|_| ())
        })
    }

    fn take(&self) -> u64 {
        ordered::<F, _>(|| self.value.swap(0, Relaxed))
    }
}

/// CPUs of the machine; each is used by one thread of a model.
pub(crate) const CPUS: usize = 3;

/// RCU: a CPU holds its lock while it is in a read-side section, and a grace period takes all locks
/// in turn. What was before a grace period is seen by the sections after it, and the reverse, as
/// the kernel promises; two sections of different CPUs order nothing.
pub(crate) struct Rcu {
    sections: [Mutex<()>; CPUS],
}

impl Rcu {
    pub(crate) fn new() -> Self {
        Self {
            sections: std::array::from_fn(|_| Mutex::new(())),
        }
    }

    /// Enters the read-side section of a CPU.
    pub(crate) fn read(&self, cpu: usize) -> MutexGuard<'_, ()> {
        self.sections[cpu].lock().expect("nothing panicked")
    }

    /// Waits for a grace period, outside of any section.
    pub(crate) fn synchronize(&self) {
        for section in &self.sections {
            drop(section.lock().expect("nothing panicked"));
        }
    }
}
