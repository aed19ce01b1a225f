// SPDX-License-Identifier: GPL-2.0
/* What the module! macro of the kernel crate has no key for. */
#include <linux/module.h>

MODULE_VERSION("0.1");
