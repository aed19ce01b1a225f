// SPDX-License-Identifier: GPL-2.0

//! Which ports services and destinations have: the first test for every packet of the host.

use kernel::{alloc::KBox, prelude::*, sync::atomic::Atomic};
use pin_init::init_array_from_fn;
use rlvs_kext::{memory::KEPT, rwonce::Once};

const WORDS: usize = (1 << 16) / 64;

/// A set of ports of 8 KiB, read without a lock.
///
/// A port in the set may have nothing behind it any more: [`Ports::clear_and_add`] puts that
/// right. A port that has is always in the set.
pub(crate) struct Ports {
    /// Guarded by: atomic; written under the config mutex.
    words: KBox<[Atomic<u64>; WORDS]>,
    /// There may be a port in it.
    /// Guarded by: atomic; written under the config mutex.
    any: Atomic<bool>,
}

impl Ports {
    /// The empty set. May sleep.
    pub(crate) fn new() -> Result<Self> {
        let words = KBox::init(init_array_from_fn(|_| Atomic::new(0)), KEPT)?;
        let any = Atomic::new(false);
        Ok(Self { words, any })
    }

    /// Returns `true` if no port is in the set.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.any.read_once()
    }

    /// Returns `true` if the port, in host byte order, is in the set.
    #[inline]
    pub(crate) fn contains(&self, port: u16) -> bool {
        self.words
            .get(usize::from(port >> 6))
            .is_some_and(|word| word.read_once() & bit(port) != 0)
    }

    /// Adds a port. `_writer` shows that the configuration's mutex is held, so that no other CPU
    /// writes meanwhile.
    pub(crate) fn add(&self, port: u16, _writer: &PortsWriter) {
        // Packets read it all the time: what is there is not written again.
        if self.contains(port) {
            return;
        }
        if let Some(word) = self.words.get(usize::from(port >> 6)) {
            word.write_once(word.read_once() | bit(port));
        }
        self.any.write_once(true);
    }

    /// Makes the set exactly `ports`; a port that stays in it is in it all the time. As for
    /// [`Ports::add`], the configuration's mutex is held.
    pub(crate) fn clear_and_add(
        &self,
        ports: impl Iterator<Item = u16>,
        writer: &PortsWriter,
    ) -> Result {
        self.unite([], ports, writer)
    }

    /// [`Ports::clear_and_add`], with what is in other sets as well.
    pub(crate) fn unite<const N: usize>(
        &self,
        others: [&Self; N],
        ports: impl Iterator<Item = u16>,
        _writer: &PortsWriter,
    ) -> Result {
        let mut fresh = KVec::from_elem(0u64, WORDS, GFP_KERNEL)?;
        for other in others {
            for (word, fresh) in other.words.iter().zip(fresh.iter_mut()) {
                *fresh |= word.read_once();
            }
        }
        for port in ports {
            if let Some(word) = fresh.get_mut(usize::from(port >> 6)) {
                *word |= bit(port);
            }
        }
        let any = fresh.iter().any(|word| *word != 0);
        for (word, fresh) in self.words.iter().zip(fresh.iter()) {
            word.write_once(*fresh);
        }
        self.any.write_once(any);
        Ok(())
    }
}

/// The right to write to the sets of ports of a namespace. Its configuration owns the only one,
/// which is behind the configuration's mutex.
pub(crate) struct PortsWriter(());

impl PortsWriter {
    /// For a namespace's configuration, and nothing else.
    pub(crate) fn new() -> Self {
        Self(())
    }
}

/// The port's bit in its word.
#[inline]
fn bit(port: u16) -> u64 {
    1 << (port & 63)
}
