// SPDX-License-Identifier: GPL-2.0

//! The numbers of the netlink families, from `include/uapi/linux/rlvs.h` and, for that of ip_vs,
//! from [`include/uapi/linux/ip_vs.h`](srctree/include/uapi/linux/ip_vs.h).
//!
//! The former is generated from `Documentation/netlink/specs/rlvs.yaml`.
//!
//! Upstream: none; the numbers are this module's own, and ip_vs's are not in the kernel's bindings.

/// Gives the header's constants the types that the netlink code uses.
macro_rules! numbers {
    ($type:ty: $($name:ident = $source:ident,)*) => {
        $(
            #[doc = concat!("`", stringify!($source), "`")]
            pub const $name: $type = crate::bindings::$source as $type;
        )*
    };
}

/// Commands.
pub mod command {
    numbers! { u8:
        SERVICE_ADD = RLVS_CMD_SERVICE_ADD,
        SERVICE_SET = RLVS_CMD_SERVICE_SET,
        SERVICE_DEL = RLVS_CMD_SERVICE_DEL,
        SERVICE_ZERO = RLVS_CMD_SERVICE_ZERO,
        SERVICE_GET = RLVS_CMD_SERVICE_GET,
        DESTINATION_ADD = RLVS_CMD_DESTINATION_ADD,
        DESTINATION_SET = RLVS_CMD_DESTINATION_SET,
        DESTINATION_DEL = RLVS_CMD_DESTINATION_DEL,
        DESTINATION_GET = RLVS_CMD_DESTINATION_GET,
        CONNECTION_GET = RLVS_CMD_CONNECTION_GET,
        COUNTERS_GET = RLVS_CMD_COUNTERS_GET,
        FLUSH = RLVS_CMD_FLUSH,
        TIMEOUTS_GET = RLVS_CMD_TIMEOUTS_GET,
        TIMEOUTS_SET = RLVS_CMD_TIMEOUTS_SET,
        TEMPLATE_GET = RLVS_CMD_TEMPLATE_GET,
        EVENT = RLVS_CMD_EVENT,
    }
}

/// Attributes of a virtual service.
pub mod service {
    numbers! { u16:
        PROTOCOL = RLVS_A_SERVICE_PROTOCOL,
        ADDRESS = RLVS_A_SERVICE_ADDRESS,
        PORT = RLVS_A_SERVICE_PORT,
        SCHEDULER = RLVS_A_SERVICE_SCHEDULER,
        CUT = RLVS_A_SERVICE_CUT,
        DESTINATIONS = RLVS_A_SERVICE_DESTINATIONS,
        STATS = RLVS_A_SERVICE_STATS,
        FLAGS = RLVS_A_SERVICE_FLAGS,
        FLAGS_MASK = RLVS_A_SERVICE_FLAGS_MASK,
        TABLE_SIZE = RLVS_A_SERVICE_TABLE_SIZE,
        TIMEOUT_TCP = RLVS_A_SERVICE_TIMEOUT_TCP,
        TIMEOUT_FIN = RLVS_A_SERVICE_TIMEOUT_FIN,
        TIMEOUT_UDP = RLVS_A_SERVICE_TIMEOUT_UDP,
        PERSISTENT = RLVS_A_SERVICE_PERSISTENT,
        PERSISTENT_PREFIX = RLVS_A_SERVICE_PERSISTENT_PREFIX,
        SLOW_START = RLVS_A_SERVICE_SLOW_START,
        HERE = RLVS_A_SERVICE_HERE,
    }
}

/// Attributes of a destination.
pub mod destination {
    numbers! { u16:
        SERVICE = RLVS_A_DESTINATION_SERVICE,
        ADDRESS = RLVS_A_DESTINATION_ADDRESS,
        PORT = RLVS_A_DESTINATION_PORT,
        LAST_PORT = RLVS_A_DESTINATION_LAST_PORT,
        METHOD = RLVS_A_DESTINATION_METHOD,
        WEIGHT = RLVS_A_DESTINATION_WEIGHT,
        CUT = RLVS_A_DESTINATION_CUT,
        ACTIVE_CONNECTIONS = RLVS_A_DESTINATION_ACTIVE_CONNECTIONS,
        INACTIVE_CONNECTIONS = RLVS_A_DESTINATION_INACTIVE_CONNECTIONS,
        STATS = RLVS_A_DESTINATION_STATS,
        MAX_CONNECTIONS = RLVS_A_DESTINATION_MAX_CONNECTIONS,
        MIN_CONNECTIONS = RLVS_A_DESTINATION_MIN_CONNECTIONS,
        TEMPLATES = RLVS_A_DESTINATION_TEMPLATES,
        LISTENING = RLVS_A_DESTINATION_LISTENING,
        PRIVATE = RLVS_A_DESTINATION_PRIVATE,
        IN_FLIGHT = RLVS_A_DESTINATION_IN_FLIGHT,
        DRAINED = RLVS_A_DESTINATION_DRAINED,
        REQUESTED_METHOD = RLVS_A_DESTINATION_REQUESTED_METHOD,
        HERE = RLVS_A_DESTINATION_HERE,
        USER = RLVS_A_DESTINATION_USER,
    }
}

/// Attributes of the statistics of a service or destination.
pub mod stats {
    numbers! { u16:
        CONNECTIONS = RLVS_A_STATS_CONNECTIONS,
        IN_PACKETS = RLVS_A_STATS_IN_PACKETS,
        OUT_PACKETS = RLVS_A_STATS_OUT_PACKETS,
        IN_BYTES = RLVS_A_STATS_IN_BYTES,
        OUT_BYTES = RLVS_A_STATS_OUT_BYTES,
        AVOIDED = RLVS_A_STATS_AVOIDED,
    }
}

/// Attributes of a connection entry.
pub mod connection {
    numbers! { u16:
        PROTOCOL = RLVS_A_CONNECTION_PROTOCOL,
        CLIENT_ADDRESS = RLVS_A_CONNECTION_CLIENT_ADDRESS,
        CLIENT_PORT = RLVS_A_CONNECTION_CLIENT_PORT,
        SERVICE_ADDRESS = RLVS_A_CONNECTION_SERVICE_ADDRESS,
        SERVICE_PORT = RLVS_A_CONNECTION_SERVICE_PORT,
        DESTINATION_ADDRESS = RLVS_A_CONNECTION_DESTINATION_ADDRESS,
        DESTINATION_PORT = RLVS_A_CONNECTION_DESTINATION_PORT,
        STATE = RLVS_A_CONNECTION_STATE,
        EXPIRES = RLVS_A_CONNECTION_EXPIRES,
        CLIENT_PREFIX = RLVS_A_CONNECTION_CLIENT_PREFIX,
        CLIENT_DEVICE = RLVS_A_CONNECTION_CLIENT_DEVICE,
        CONNECTIONS = RLVS_A_CONNECTION_CONNECTIONS,
    }
}

/// Attributes of a namespace's counters.
pub mod counters {
    numbers! { u16:
        CONNECTIONS = RLVS_A_COUNTERS_CONNECTIONS,
        ENTRIES = RLVS_A_COUNTERS_ENTRIES,
        NO_DESTINATION = RLVS_A_COUNTERS_NO_DESTINATION,
        CONFLICT = RLVS_A_COUNTERS_CONFLICT,
        NO_MEMORY = RLVS_A_COUNTERS_NO_MEMORY,
        TABLE_FULL = RLVS_A_COUNTERS_TABLE_FULL,
        TRUNCATED = RLVS_A_COUNTERS_TRUNCATED,
        MALFORMED = RLVS_A_COUNTERS_MALFORMED,
        FRAGMENT = RLVS_A_COUNTERS_FRAGMENT,
        UNWRITABLE = RLVS_A_COUNTERS_UNWRITABLE,
        ROUTE_FAILED = RLVS_A_COUNTERS_ROUTE_FAILED,
        REJECTED = RLVS_A_COUNTERS_REJECTED,
        ICMP_ERROR = RLVS_A_COUNTERS_ICMP_ERROR,
        DROP_PACKET = RLVS_A_COUNTERS_DROP_PACKET,
        DROP_ENTRY = RLVS_A_COUNTERS_DROP_ENTRY,
        EARLY_EXPIRED = RLVS_A_COUNTERS_EARLY_EXPIRED,
        TEMPLATES = RLVS_A_COUNTERS_TEMPLATES,
        NO_ENTRY = RLVS_A_COUNTERS_NO_ENTRY,
        RETRIED = RLVS_A_COUNTERS_RETRIED,
        RETRY_NOT_KEPT = RLVS_A_COUNTERS_RETRY_NOT_KEPT,
        RETRY_NO_DESTINATION = RLVS_A_COUNTERS_RETRY_NO_DESTINATION,
        RETRY_NOT_HANDLED = RLVS_A_COUNTERS_RETRY_NOT_HANDLED,
        PRIVATE = RLVS_A_COUNTERS_PRIVATE,
        STEERED = RLVS_A_COUNTERS_STEERED,
        UNCOUNTED = RLVS_A_COUNTERS_UNCOUNTED,
        UDP_FULL = RLVS_A_COUNTERS_UDP_FULL,
        TOTAL_FULL = RLVS_A_COUNTERS_TOTAL_FULL,
    }
}

/// Attributes of a namespace's timeouts.
pub mod timeouts {
    numbers! { u16:
        TCP = RLVS_A_TIMEOUTS_TCP,
        TCP_FIN = RLVS_A_TIMEOUTS_TCP_FIN,
        UDP = RLVS_A_TIMEOUTS_UDP,
    }
}

/// Attributes of an event.
pub mod event {
    numbers! { u16:
        TYPE = RLVS_A_EVENT_TYPE,
        SERVICE = RLVS_A_EVENT_SERVICE,
        ADDRESS = RLVS_A_EVENT_ADDRESS,
        PORT = RLVS_A_EVENT_PORT,
        IN_FLIGHT = RLVS_A_EVENT_IN_FLIGHT,
        COUNT = RLVS_A_EVENT_COUNT,
    }
}

/// Numbers of the family of ip_vs.
pub mod ipvs {
    /// The longest timeout that can be set, in seconds: it counts in jiffies.
    pub const MOST_SECONDS: u32 = crate::bindings::RLVS_IPVS_MOST_SECONDS;

    /// Commands.
    pub mod command {
        numbers! { u8:
            NEW_SERVICE = IPVS_CMD_NEW_SERVICE,
            SET_SERVICE = IPVS_CMD_SET_SERVICE,
            DEL_SERVICE = IPVS_CMD_DEL_SERVICE,
            GET_SERVICE = IPVS_CMD_GET_SERVICE,
            NEW_DEST = IPVS_CMD_NEW_DEST,
            SET_DEST = IPVS_CMD_SET_DEST,
            DEL_DEST = IPVS_CMD_DEL_DEST,
            GET_DEST = IPVS_CMD_GET_DEST,
            NEW_DAEMON = IPVS_CMD_NEW_DAEMON,
            DEL_DAEMON = IPVS_CMD_DEL_DAEMON,
            GET_DAEMON = IPVS_CMD_GET_DAEMON,
            SET_CONFIG = IPVS_CMD_SET_CONFIG,
            GET_CONFIG = IPVS_CMD_GET_CONFIG,
            SET_INFO = IPVS_CMD_SET_INFO,
            GET_INFO = IPVS_CMD_GET_INFO,
            ZERO = IPVS_CMD_ZERO,
            FLUSH = IPVS_CMD_FLUSH,
        }
    }

    /// Attributes of a request.
    pub mod request {
        numbers! { u16:
            SERVICE = IPVS_CMD_ATTR_SERVICE,
            DEST = IPVS_CMD_ATTR_DEST,
            DAEMON = IPVS_CMD_ATTR_DAEMON,
            TIMEOUT_TCP = IPVS_CMD_ATTR_TIMEOUT_TCP,
            TIMEOUT_TCP_FIN = IPVS_CMD_ATTR_TIMEOUT_TCP_FIN,
            TIMEOUT_UDP = IPVS_CMD_ATTR_TIMEOUT_UDP,
        }
    }

    /// Attributes of a service.
    pub mod service {
        numbers! { u16:
            AF = IPVS_SVC_ATTR_AF,
            PROTOCOL = IPVS_SVC_ATTR_PROTOCOL,
            ADDR = IPVS_SVC_ATTR_ADDR,
            PORT = IPVS_SVC_ATTR_PORT,
            FWMARK = IPVS_SVC_ATTR_FWMARK,
            SCHED_NAME = IPVS_SVC_ATTR_SCHED_NAME,
            FLAGS = IPVS_SVC_ATTR_FLAGS,
            TIMEOUT = IPVS_SVC_ATTR_TIMEOUT,
            NETMASK = IPVS_SVC_ATTR_NETMASK,
            STATS = IPVS_SVC_ATTR_STATS,
            PE_NAME = IPVS_SVC_ATTR_PE_NAME,
            STATS64 = IPVS_SVC_ATTR_STATS64,
        }
    }

    /// Attributes of a destination.
    pub mod destination {
        numbers! { u16:
            ADDR = IPVS_DEST_ATTR_ADDR,
            PORT = IPVS_DEST_ATTR_PORT,
            FWD_METHOD = IPVS_DEST_ATTR_FWD_METHOD,
            WEIGHT = IPVS_DEST_ATTR_WEIGHT,
            U_THRESH = IPVS_DEST_ATTR_U_THRESH,
            L_THRESH = IPVS_DEST_ATTR_L_THRESH,
            ACTIVE_CONNS = IPVS_DEST_ATTR_ACTIVE_CONNS,
            INACT_CONNS = IPVS_DEST_ATTR_INACT_CONNS,
            PERSIST_CONNS = IPVS_DEST_ATTR_PERSIST_CONNS,
            STATS = IPVS_DEST_ATTR_STATS,
            ADDR_FAMILY = IPVS_DEST_ATTR_ADDR_FAMILY,
            STATS64 = IPVS_DEST_ATTR_STATS64,
            TUN_TYPE = IPVS_DEST_ATTR_TUN_TYPE,
            TUN_PORT = IPVS_DEST_ATTR_TUN_PORT,
            TUN_FLAGS = IPVS_DEST_ATTR_TUN_FLAGS,
        }
    }

    /// Attributes of a synchronisation daemon.
    pub mod daemon {
        numbers! { u16:
            STATE = IPVS_DAEMON_ATTR_STATE,
            MCAST_IFN = IPVS_DAEMON_ATTR_MCAST_IFN,
            SYNC_ID = IPVS_DAEMON_ATTR_SYNC_ID,
        }
    }

    /// Attributes of the statistics of a service or destination.
    pub mod stats {
        numbers! { u16:
            CONNS = IPVS_STATS_ATTR_CONNS,
            INPKTS = IPVS_STATS_ATTR_INPKTS,
            OUTPKTS = IPVS_STATS_ATTR_OUTPKTS,
            INBYTES = IPVS_STATS_ATTR_INBYTES,
            OUTBYTES = IPVS_STATS_ATTR_OUTBYTES,
            CPS = IPVS_STATS_ATTR_CPS,
            INPPS = IPVS_STATS_ATTR_INPPS,
            OUTPPS = IPVS_STATS_ATTR_OUTPPS,
            INBPS = IPVS_STATS_ATTR_INBPS,
            OUTBPS = IPVS_STATS_ATTR_OUTBPS,
            PAD = IPVS_STATS_ATTR_PAD,
        }
    }

    /// Attributes of an answer about the module.
    pub mod info {
        numbers! { u16:
            VERSION = IPVS_INFO_ATTR_VERSION,
            CONN_TAB_SIZE = IPVS_INFO_ATTR_CONN_TAB_SIZE,
        }
    }
}
