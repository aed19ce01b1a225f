// SPDX-License-Identifier: GPL-2.0

//! What a request wants changed, and why a change is not made.

use kernel::{prelude::*, sync::Arc};
use rlvs_core::{
    address::{Address, PortRange},
    config::{DestinationKey, Method},
    refusal::Refusal,
    schedule::threshold::Thresholds,
};
use rlvs_kext::{memory::KEPT, user::User};

use crate::service::{Destination, DestinationSettings};

/// Why a change was not made.
pub(crate) enum Failure {
    /// It is refused.
    Refused(Refusal),
    /// A kernel function returned this error.
    Error(Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error == ENOMEM {
            return Self::Refused(Refusal::NoMemory);
        }
        Self::Error(error)
    }
}

impl From<kernel::alloc::AllocError> for Failure {
    fn from(_: kernel::alloc::AllocError) -> Self {
        Self::Refused(Refusal::NoMemory)
    }
}

/// What is to change of destinations; `None` for what stays.
#[derive(Clone, Copy, Default)]
pub(crate) struct Edit {
    pub(crate) weight: Option<u16>,
    pub(crate) upper: Option<u32>,
    pub(crate) lower: Option<u32>,
    pub(crate) private: Option<bool>,
    /// `Some(None)`: any user's socket may listen there.
    pub(crate) user: Option<Option<User>>,
    pub(crate) method: Option<Method>,
}

impl Edit {
    /// Returns the settings of a destination after the change.
    pub(super) fn of(&self, destination: &Destination) -> Result<DestinationSettings, Failure> {
        let old = destination.thresholds();
        Ok(DestinationSettings {
            weight: self.weight.unwrap_or_else(|| destination.weight()),
            thresholds: Thresholds::new(
                self.upper.unwrap_or_else(|| old.upper()),
                self.lower.unwrap_or_else(|| old.lower()),
            )?,
            private: self.private.unwrap_or_else(|| destination.is_private()),
            user: self.user.unwrap_or_else(|| destination.user()),
            method: self.method_of(destination),
        })
    }

    /// Returns the forwarding method that is asked for after the change.
    pub(super) fn method_of(&self, destination: &Destination) -> Method {
        self.method.unwrap_or_else(|| destination.method())
    }
}

/// Destinations on one address and the ports of a range.
pub(crate) struct Range {
    pub(crate) address: Address,
    pub(crate) ports: PortRange,
}

impl Range {
    /// Returns the range of one destination.
    pub(crate) fn one(key: DestinationKey) -> Result<Self, Refusal> {
        Ok(Self {
            address: key.address,
            ports: PortRange::new(key.port, key.port)?,
        })
    }

    /// Returns the keys, in the order of their ports.
    pub(crate) fn keys(&self) -> impl Iterator<Item = DestinationKey> + '_ {
        self.ports.iter().map(|port| DestinationKey {
            address: self.address,
            port,
        })
    }

    pub(super) fn contains(&self, destination: &Destination) -> bool {
        let key = &destination.key;
        key.address == self.address && self.ports.contains(key.port)
    }

    /// Returns those of `destinations` that are in the range; refused when one of the range is
    /// missing.
    pub(super) fn of(
        &self,
        destinations: &[Arc<Destination>],
    ) -> Result<KVVec<Arc<Destination>>, Failure> {
        let found = copy_of(destinations.iter().filter(|d| self.contains(d)))?;
        // Keys are unique, so that equal numbers mean equal sets.
        if u32::try_from(found.len()) != Ok(self.ports.len()) {
            return Err(Refusal::NoDestination.into());
        }
        Ok(found)
    }
}

/// Copies the references to destinations. May sleep.
pub(super) fn copy_of<'a>(
    destinations: impl Iterator<Item = &'a Arc<Destination>>,
) -> Result<KVVec<Arc<Destination>>, Failure> {
    let mut copy = KVVec::with_capacity(destinations.size_hint().0, KEPT)?;
    for destination in destinations {
        copy.push(destination.clone(), KEPT)?;
    }
    Ok(copy)
}
