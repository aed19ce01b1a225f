// SPDX-License-Identifier: GPL-2.0

//! The numbers of the netlink family, from `include/uapi/linux/rlvs.h`.
//!
//! That header is generated from `Documentation/netlink/specs/rlvs.yaml`.

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
