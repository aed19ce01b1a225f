// SPDX-License-Identifier: GPL-2.0

//! The settings under `net.ipv4.vs`, for both address families, one set for each namespace.
//! Documentation/sysctl.rst tells what they mean.

use kernel::{c_str, prelude::*};
use rlvs_core::{address::Protocol, defence::Mode, flow::Rules};
use rlvs_kext::{
    inet::Net,
    sysctl::{self, Spec},
};

/// The index of each in [`SPECS`].
#[derive(Clone, Copy)]
enum Setting {
    CsumComplete,
    ConnMax,
    AmDroprate,
    Amemthresh,
    DropEntry,
    DropPacket,
    SecureTcp,
    SloppyTcp,
    SloppySctp,
    ConnReuseMode,
    ExpireNodestConn,
    ExpireQuiescentTemplate,
    NatIcmpSend,
    ScheduleIcmp,
    RunEstimation,
}

const COUNT: usize = Setting::RunEstimation as usize + 1;

/// Those that are the [`Mode`] of a defence.
const MODES: [Setting; 3] = [Setting::DropEntry, Setting::DropPacket, Setting::SecureTcp];

/// The most connections that a namespace can be allowed: what fits into one family's table, whose
/// buckets the kernel must be able to allocate.
const MOST_CONNECTIONS: i32 = 1 << 27;

static SPECS: [Spec; COUNT] = [
    Spec::new(c_str!("csum_complete"), 0, 1),
    Spec::capped(c_str!("conn_max"), 0, MOST_CONNECTIONS),
    Spec::new(c_str!("am_droprate"), 0, i32::MAX),
    Spec::new(c_str!("amemthresh"), 0, i32::MAX),
    Spec::new(c_str!("drop_entry"), 0, Mode::Always.number()),
    Spec::new(c_str!("drop_packet"), 0, Mode::Always.number()),
    Spec::new(c_str!("secure_tcp"), 0, Mode::Always.number()),
    Spec::new(c_str!("sloppy_tcp"), i32::MIN, i32::MAX),
    Spec::new(c_str!("sloppy_sctp"), i32::MIN, i32::MAX),
    Spec::new(c_str!("conn_reuse_mode"), i32::MIN, i32::MAX),
    Spec::new(c_str!("expire_nodest_conn"), i32::MIN, i32::MAX),
    Spec::new(c_str!("expire_quiescent_template"), i32::MIN, i32::MAX),
    Spec::new(c_str!("nat_icmp_send"), i32::MIN, i32::MAX),
    Spec::new(c_str!("schedule_icmp"), i32::MIN, i32::MAX),
    Spec::new(c_str!("run_estimation"), i32::MIN, i32::MAX),
];

const DEFAULTS: [i32; COUNT] = [0, 1 << 22, 10, 1024, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/// The settings of a namespace.
pub(crate) struct Sysctls(sysctl::Sysctls<COUNT>);

impl Sysctls {
    /// Settings with their defaults. May sleep.
    pub(crate) fn new(net: &Net) -> Result<Self> {
        let path = c_str!("net/ipv4/vs");
        Ok(Self(sysctl::Sysctls::new(net, path, &SPECS, DEFAULTS)?))
    }

    /// How many connection entries and templates the namespace may have, of both families together.
    #[inline]
    pub(crate) fn conn_max(&self) -> u32 {
        self.number(Setting::ConnMax)
    }

    /// Whether checksums that would be left to the device are computed before a packet leaves.
    #[inline]
    pub(crate) fn csum_complete(&self) -> bool {
        self.is_on(Setting::CsumComplete)
    }

    /// Of how many packets `drop_packet` drops one when it is always on; 0 for none.
    pub(crate) fn am_droprate(&self) -> u32 {
        self.number(Setting::AmDroprate)
    }

    /// With fewer available pages than this, memory is short.
    pub(crate) fn amemthresh(&self) -> u32 {
        self.number(Setting::Amemthresh)
    }

    /// When `drop_entry` is on.
    pub(crate) fn drop_entry(&self) -> Mode {
        self.mode(Setting::DropEntry)
    }

    /// When `drop_packet` is on.
    #[inline]
    pub(crate) fn drop_packet(&self) -> Mode {
        self.mode(Setting::DropPacket)
    }

    /// The table of TCP's states that `secure_tcp` chooses.
    #[inline]
    pub(crate) fn tcp_rules(&self) -> Rules {
        if self.mode(Setting::SecureTcp).is_on() {
            Rules::Secure
        } else {
            Rules::Usual
        }
    }

    /// Whether a packet of this protocol in mid-stream may open an entry.
    #[inline]
    pub(crate) fn is_sloppy(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Tcp => self.is_on(Setting::SloppyTcp),
            Protocol::Sctp => self.is_on(Setting::SloppySctp),
            Protocol::Udp => false,
        }
    }

    /// Whether a client's new connection from a port whose last one has ended is scheduled anew,
    /// not given to the destination that had the last one.
    #[inline]
    pub(crate) fn reschedules(&self) -> bool {
        self.is_on(Setting::ConnReuseMode)
    }

    /// Whether connections end when their destination is deleted.
    pub(crate) fn ends_deleted(&self) -> bool {
        self.is_on(Setting::ExpireNodestConn)
    }

    /// Whether a template no longer leads to a destination that is quiesced.
    pub(crate) fn expires_quiescent_templates(&self) -> bool {
        self.is_on(Setting::ExpireQuiescentTemplate)
    }

    /// Whether a packet that a destination sends is refused when it has no entry.
    #[inline]
    pub(crate) fn refuses_without_entry(&self) -> bool {
        self.is_on(Setting::NatIcmpSend)
    }

    /// Whether an ICMP error about an answer of a service's may open an entry.
    #[inline]
    pub(crate) fn schedules_errors(&self) -> bool {
        self.is_on(Setting::ScheduleIcmp)
    }

    /// Whether rates are gone on with.
    pub(crate) fn runs_estimation(&self) -> bool {
        self.is_on(Setting::RunEstimation)
    }

    /// Moves the automatic modes after a look at the memory.
    pub(crate) fn move_modes(&self, short: bool) {
        for setting in MODES {
            let old = self.mode(setting);
            let new = old.after(short);
            if new != old {
                self.0.replace(setting as usize, old.number(), new.number());
            }
        }
    }

    #[inline]
    fn is_on(&self, setting: Setting) -> bool {
        self.0.get(setting as usize) != 0
    }

    #[inline]
    fn mode(&self, setting: Setting) -> Mode {
        Mode::from_number(self.0.get(setting as usize))
    }

    /// A setting that is never negative.
    #[inline]
    fn number(&self, setting: Setting) -> u32 {
        u32::try_from(self.0.get(setting as usize)).unwrap_or(0)
    }
}
