// SPDX-License-Identifier: GPL-2.0

//! What packets look services and destinations up in.

use kernel::sync::Arc;
use rlvs_core::{
    address::{Address, Protocol},
    config::{backends, ServiceKey},
    refusal::Refusal,
    tree::Tree,
};

use super::{destination::Destination, Service};
use crate::primitives::KernelMemory;

/// The services of a namespace by their keys. Never changed in place: see [`Tree`].
#[derive(Clone, Default)]
pub(crate) struct Services(Tree<ServiceKey, Arc<Service>, KernelMemory>);

impl Services {
    /// Returns the services with another one. May sleep.
    pub(crate) fn with(&self, service: &Arc<Service>) -> Result<Self, Refusal> {
        Ok(Self(self.0.with(service.key, service.clone())?))
    }

    /// Returns the services without the one of the key. May sleep.
    pub(crate) fn without(&self, key: &ServiceKey) -> Result<Self, Refusal> {
        Ok(Self(self.0.without(key)?))
    }

    /// Returns the service of a packet to `address` and `port`, if the address is the host's: that
    /// of the very address, else that of the wildcard address.
    pub(crate) fn find(
        &self,
        protocol: Protocol,
        address: Address,
        port: u16,
    ) -> Option<&Arc<Service>> {
        let at = |address| {
            self.0.get(&ServiceKey {
                protocol,
                address,
                port,
            })
        };
        at(address).or_else(|| at(Address::unspecified(address.family())))
    }
}

/// The destinations of a namespace by their ends, but for deleted ones: which one a packet without
/// an entry comes from.
pub(crate) type Backends = backends::Backends<Arc<Destination>, KernelMemory>;
