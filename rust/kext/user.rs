// SPDX-License-Identifier: GPL-2.0

//! Users, whatever number a user namespace gives them.
//!
//! C header: [`include/linux/uidgid.h`](srctree/include/linux/uidgid.h)
//!
//! Upstream: `kernel::cred::Kuid`, which cannot be made of a number.

use crate::{bindings, net::Net};

/// A user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User(u32);

impl User {
    /// What stands for no user, where [`User::to_bits`] is kept.
    pub const NONE: u32 = u32::MAX;

    /// Returns the user whose [`User::to_bits`] these are; `None` for [`User::NONE`].
    #[inline]
    pub fn from_bits(bits: u32) -> Option<Self> {
        (bits != Self::NONE).then_some(Self(bits))
    }

    /// Returns the user as a number of the whole host.
    #[inline]
    pub fn to_bits(self) -> u32 {
        self.0
    }
}

impl Net {
    /// Returns the user with a number in the user namespace that owns this network namespace;
    /// `None` if there is none. Any context.
    pub fn user(&self, number: u32) -> Option<User> {
        // SAFETY: The namespace is alive, and so is the user namespace that it holds.
        User::from_bits(unsafe { bindings::rlvs_user_of(self.as_ptr(), number) })
    }

    /// Returns the number of a user in the user namespace that owns this network namespace; that of
    /// the overflow user if it has none there. Any context.
    pub fn number_of(&self, user: User) -> u32 {
        // SAFETY: The namespace is alive, and so is the user namespace that it holds.
        unsafe { bindings::rlvs_user_number(self.as_ptr(), user.to_bits()) }
    }
}
