// SPDX-License-Identifier: GPL-2.0

//! The settings under `net.ipv4.vs`, for both address families, one set for each namespace.
//! Documentation/sysctl.rst says what they mean.

use kernel::{prelude::*, sync::atomic::Atomic};
use rlvs_core::{address::Protocol, connection::state::Rules, defence::Mode};
use rlvs_kext::{
    netns::{Namespace, Setup},
    sysctl::{self, Spec},
};

/// Defines [`Setting`], the number of each setting, and [`SPECS`], what is registered, from one
/// list.
macro_rules! settings {
    ($($name:ident: $spec:expr,)*) => {
        /// The index of each in [`SPECS`].
        #[derive(Clone, Copy)]
        enum Setting { $($name),* }

        const COUNT: usize = [$(Setting::$name),*].len();

        static SPECS: [Spec; COUNT] = [$($spec),*];
    };
}

settings! {
    CsumComplete: Spec::new(c"csum_complete", 0, 0, 1),
    ConnMax: Spec::new(c"conn_max", 1 << 22, 0, MOST_CONNECTIONS).capped(),
    AmDroprate: Spec::new(c"am_droprate", 10, 0, i32::MAX),
    Amemthresh: Spec::new(c"amemthresh", 1024, 0, i32::MAX),
    DropEntry: Spec::new(c"drop_entry", 0, 0, Mode::Always.number()),
    DropPacket: Spec::new(c"drop_packet", 0, 0, Mode::Always.number()),
    SecureTcp: Spec::new(c"secure_tcp", 0, 0, Mode::Always.number()),
    SloppyTcp: Spec::any(c"sloppy_tcp", 0),
    SloppySctp: Spec::any(c"sloppy_sctp", 0),
    ConnReuseMode: Spec::any(c"conn_reuse_mode", 1),
    ExpireNodestConn: Spec::any(c"expire_nodest_conn", 0),
    ExpireQuiescentTemplate: Spec::any(c"expire_quiescent_template", 0),
    NatIcmpSend: Spec::any(c"nat_icmp_send", 0),
    ScheduleIcmp: Spec::any(c"schedule_icmp", 0),
    RunEstimation: Spec::any(c"run_estimation", 1).host_only(),
    // Not of ip_vs: bounds on what namespaces take of the host's memory.
    ConnMaxTotal: Spec::shared(c"conn_max_total", &CONN_MAX_TOTAL, i32::MAX),
    DestMax: Spec::new(c"dest_max", i32::MAX, 0, i32::MAX).elsewhere(10_000).capped(),
    SvcMax: Spec::new(c"svc_max", i32::MAX, 0, i32::MAX).elsewhere(1_000).capped(),
    // Of ip_vs, so that scripts can set them; without effect here.
    BackupOnly: Spec::any(c"backup_only", 0),
    CacheBypass: Spec::any(c"cache_bypass", 0),
    ConnLfactor: Spec::new(c"conn_lfactor", -4, -8, 8).elsewhere(-2).host_only(),
    Conntrack: Spec::any(c"conntrack", 0),
    EstCpulist: Spec::processors(c"est_cpulist").host_only(),
    EstNice: Spec::new(c"est_nice", 0, -20, 19).host_only(),
    IgnoreTunneled: Spec::any(c"ignore_tunneled", 0),
    PmtuDisc: Spec::any(c"pmtu_disc", 1),
    SnatReroute: Spec::any(c"snat_reroute", 1),
    SvcLfactor: Spec::new(c"svc_lfactor", -3, -8, 8).elsewhere(-2).host_only(),
    SyncPersistMode: Spec::any(c"sync_persist_mode", 0),
    SyncPorts: Spec::power_of_two(c"sync_ports", 1),
    SyncQlenMax: Spec::pages(c"sync_qlen_max").host_only(),
    SyncRefreshPeriod: Spec::seconds(c"sync_refresh_period"),
    SyncRetries: Spec::new(c"sync_retries", 0, 0, 3),
    SyncSockSize: Spec::any(c"sync_sock_size", 0).host_only(),
    SyncThreshold: Spec::pair(c"sync_threshold", 3, 50),
    SyncVersion: Spec::new(c"sync_version", 1, 0, 1),
}

/// Those that are the [`Mode`] of a defence.
const MODES: [Setting; 3] = [Setting::DropEntry, Setting::DropPacket, Setting::SecureTcp];

/// The most connections that a namespace can be allowed: what fits into one family's table, whose
/// buckets the kernel must be able to allocate.
const MOST_CONNECTIONS: i32 = 1 << 27;

/// `conn_max_total`: how many entries all namespaces may have together.
/// Guarded by: atomic; written at the module's load and by `/proc`.
pub(crate) static CONN_MAX_TOTAL: Atomic<i32> = Atomic::new(0);

/// The settings of a namespace.
pub(crate) struct Sysctls(sysctl::Sysctls<COUNT>);

impl Sysctls {
    /// Settings with their defaults; that of `conn_max` is `share` at most in a namespace that is
    /// not the first one. May sleep.
    pub(crate) fn new<T: Namespace>(setup: &Setup<'_, T>, share: i32) -> Result<Self> {
        let settings = setup.sysctls(c"net/ipv4/vs", &SPECS)?;
        if !setup.net().is_first() {
            settings.lower(Setting::ConnMax as usize, share);
        }
        Ok(Self(settings))
    }

    /// Returns how many connection entries and templates the namespace may have, of both families
    /// together.
    #[inline]
    pub(crate) fn conn_max(&self) -> u32 {
        self.number(Setting::ConnMax)
    }

    /// Returns how many services the namespace may have.
    pub(crate) fn svc_max(&self) -> u32 {
        self.number(Setting::SvcMax)
    }

    /// Returns how many destinations all services of the namespace may have together.
    pub(crate) fn dest_max(&self) -> u32 {
        self.number(Setting::DestMax)
    }

    /// Returns `true` if checksums that would be left to the device are computed before a packet
    /// leaves.
    #[inline]
    pub(crate) fn csum_complete(&self) -> bool {
        self.is_on(Setting::CsumComplete)
    }

    /// Returns of how many packets `drop_packet` drops one when it is always on; 0 for none.
    pub(crate) fn am_droprate(&self) -> u32 {
        self.number(Setting::AmDroprate)
    }

    /// Returns the number of available pages below which memory is short.
    pub(crate) fn amemthresh(&self) -> u32 {
        self.number(Setting::Amemthresh)
    }

    /// Returns when `drop_entry` is on.
    pub(crate) fn drop_entry(&self) -> Mode {
        self.mode(Setting::DropEntry)
    }

    /// Returns when `drop_packet` is on.
    #[inline]
    pub(crate) fn drop_packet(&self) -> Mode {
        self.mode(Setting::DropPacket)
    }

    /// Returns the table of TCP's states that `secure_tcp` chooses.
    #[inline]
    pub(crate) fn tcp_rules(&self) -> Rules {
        if self.mode(Setting::SecureTcp).is_on() {
            Rules::Secure
        } else {
            Rules::Usual
        }
    }

    /// Returns `true` if a packet of this protocol in mid-stream may open an entry.
    #[inline]
    pub(crate) fn is_sloppy(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Tcp => self.is_on(Setting::SloppyTcp),
            Protocol::Sctp => self.is_on(Setting::SloppySctp),
            Protocol::Udp => false,
        }
    }

    /// Returns `true` if a client's new connection from a port whose last one has ended is
    /// scheduled anew, not given to the destination that had the last one.
    #[inline]
    pub(crate) fn reschedules(&self) -> bool {
        self.is_on(Setting::ConnReuseMode)
    }

    /// Returns `true` if connections end when their destination is deleted.
    pub(crate) fn ends_deleted(&self) -> bool {
        self.is_on(Setting::ExpireNodestConn)
    }

    /// Returns `true` if a template no longer leads to a destination that is quiesced.
    pub(crate) fn expires_quiescent_templates(&self) -> bool {
        self.is_on(Setting::ExpireQuiescentTemplate)
    }

    /// Returns `true` if a packet that a destination sends is refused when it has no entry.
    #[inline]
    pub(crate) fn refuses_without_entry(&self) -> bool {
        self.is_on(Setting::NatIcmpSend)
    }

    /// Returns `true` if an ICMP error about an answer of a service's may open an entry.
    #[inline]
    pub(crate) fn schedules_errors(&self) -> bool {
        self.is_on(Setting::ScheduleIcmp)
    }

    /// Returns `true` if rates are estimated.
    pub(crate) fn runs_estimation(&self) -> bool {
        self.is_on(Setting::RunEstimation)
    }

    /// Moves the automatic modes by whether memory is `short`.
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

    /// Returns a setting that is never negative.
    #[inline]
    fn number(&self, setting: Setting) -> u32 {
        u32::try_from(self.0.get(setting as usize)).unwrap_or(0)
    }
}
