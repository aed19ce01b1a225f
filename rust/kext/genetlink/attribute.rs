// SPDX-License-Identifier: GPL-2.0

//! Attributes of a request, and those that are nested in another one.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)
//!
//! Upstream: none.

use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{error::to_result, prelude::*};

/// An attribute of a request.
///
/// # Invariants
///
/// `raw` is an attribute whose length was checked against its message, valid during `'a`.
#[derive(Clone, Copy)]
pub struct Attribute<'a> {
    pub(super) raw: NonNull<kernel::bindings::nlattr>,
    message: PhantomData<&'a kernel::bindings::nlattr>,
}

impl<'a> Attribute<'a> {
    /// # Safety
    ///
    /// `raw` must be null or satisfy the type's invariant.
    pub(super) unsafe fn from_raw(raw: *mut kernel::bindings::nlattr) -> Option<Self> {
        // INVARIANT: The caller promises it.
        NonNull::new(raw).map(|raw| Self {
            raw,
            message: PhantomData,
        })
    }

    /// Returns the attribute's bytes.
    pub fn payload(self) -> &'a [u8] {
        const HEADER: usize = core::mem::size_of::<kernel::bindings::nlattr>();
        // SAFETY: By the type's invariant the attribute is valid.
        let length = usize::from(unsafe { (*self.raw.as_ptr()).nla_len });
        // SAFETY: The payload follows the header inside the message.
        let data = unsafe { self.raw.as_ptr().cast::<u8>().add(HEADER) };
        // SAFETY: The length was checked against the message and counts the header too.
        unsafe { core::slice::from_raw_parts(data, length.saturating_sub(HEADER)) }
    }

    /// Returns the value, if the attribute has exactly one byte.
    pub fn u8(self) -> Option<u8> {
        self.payload().try_into().ok().map(u8::from_ne_bytes)
    }

    /// Returns the value of a 16-bit number in network byte order.
    pub fn u16_be(self) -> Option<u16> {
        self.payload().try_into().ok().map(u16::from_be_bytes)
    }

    /// Returns the value of a 32-bit number in host byte order.
    pub fn u32(self) -> Option<u32> {
        self.payload().try_into().ok().map(u32::from_ne_bytes)
    }

    /// Returns the bytes of a string, without the zero byte that ends it.
    pub fn string(self) -> &'a [u8] {
        let bytes = self.payload();
        bytes.split(|byte| *byte == 0).next().unwrap_or(bytes)
    }
}

/// What attributes that are nested in another one are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nest {
    /// A service that a destination of the module's own family names.
    Service,
    /// A service of ip_vs's family.
    IpvsService,
    /// A destination of that.
    IpvsDestination,
    /// A synchronisation daemon of that.
    IpvsDaemon,
}

impl Nest {
    fn number(self) -> bindings::rlvs_nest {
        match self {
            Self::Service => bindings::rlvs_nest_RLVS_NEST_SERVICE,
            Self::IpvsService => bindings::rlvs_nest_RLVS_NEST_IPVS_SERVICE,
            Self::IpvsDestination => bindings::rlvs_nest_RLVS_NEST_IPVS_DEST,
            Self::IpvsDaemon => bindings::rlvs_nest_RLVS_NEST_IPVS_DAEMON,
        }
    }
}

/// Attributes that are nested in another one.
pub struct Attributes<'a> {
    table: [*mut kernel::bindings::nlattr; NESTED],
    message: PhantomData<&'a kernel::bindings::nlattr>,
}

/// One more than the highest type of a nested attribute.
const NESTED: usize = bindings::RLVS_NESTED as usize;

impl<'a> Attributes<'a> {
    /// Reads the attributes inside of another one; `extack` says which of them is at fault.
    ///
    /// # Safety
    ///
    /// `extack` must be null or valid.
    pub(super) unsafe fn parse(
        around: Attribute<'a>,
        nest: Nest,
        extack: *mut kernel::bindings::netlink_ext_ack,
    ) -> Result<Self> {
        let mut table = [core::ptr::null_mut(); NESTED];
        // SAFETY: `around` is a valid attribute, `table` has room for as many pointers as the
        // function writes at most, and the caller promises `extack`.
        to_result(unsafe {
            bindings::rlvs_genl_parse(
                around.raw.as_ptr(),
                nest.number(),
                table.as_mut_ptr(),
                extack,
            )
        })?;
        Ok(Self {
            table,
            message: PhantomData,
        })
    }

    /// Returns the attribute `id`, if it is there.
    pub fn get(&self, id: u16) -> Option<Attribute<'a>> {
        let raw = self.table.get(usize::from(id)).copied()?;
        // SAFETY: The parser checked what it put there, inside the message.
        unsafe { Attribute::from_raw(raw) }
    }
}
