# SPDX-License-Identifier: GPL-2.0
#
# What people call. What kbuild reads is in Kbuild; what the commands do is in
# selftests/vm/.

KERNEL ?= plain
SERIES ?= 7.2
vm := selftests/vm

# An empty KDIR means the test kernel, which is fetched and built when missing.
export KDIR ARCH SERIES
ifeq ($(strip $(KDIR)),)
unexport KDIR
endif
ifeq ($(strip $(ARCH)),)
unexport ARCH
endif
export VM_TIMEOUT VM_MEMORY VM_APPEND
ifeq ($(strip $(VM_TIMEOUT)),)
unexport VM_TIMEOUT
endif
ifeq ($(strip $(VM_MEMORY)),)
unexport VM_MEMORY
endif

# One command at a time: they share trees in the cache.
.NOTPARALLEL:
.PHONY: all help packages kernel module modules_install tool vm demo \
	compare bench bench-report selftest check fmt lint clean

all: module tool

help:
	@echo 'rlvs: a virtual server in the kernel, for many local ports behind one'
	@echo
	@echo '  make                   module and tool'
	@echo '  make module            the module, for the test kernel or KDIR='
	@echo '  make tool              the command rlvs'
	@echo '  make modules_install   install the module into /lib/modules (KDIR=, INSTALL_MOD_PATH=)'
	@echo '  make demo              boot a VM and show one address served by many local ports'
	@echo '  make compare           what clients notice of workers that fail, into Documentation/performance'
	@echo '  make bench             what packets and connections cost, with rlvs and its peers, natively'
	@echo '  make bench-report      tables and plots of the newest numbers, into Documentation/performance'
	@echo '  make check             all tests: format, lints, host tests, VM tests on both kernels'
	@echo '  make selftest T=NAME   tests in the VM: a NAME, a FOLDER, a FOLDER/NAME, or several'
	@echo '  make vm [CMD=COMMAND]  boot a VM that sees this file system; a shell without CMD'
	@echo '  make kernel            fetch and build the test kernel'
	@echo '  make packages          install what the above need (apt, on Debian)'
	@echo '  make fmt, make lint    format the Rust code; all lints'
	@echo '  make clean             remove build/ (the cache with the kernels stays)'
	@echo
	@echo '  KERNEL=NAME            which test kernel: plain (default), debug, rt or kcsan'
	@echo '  SERIES=7.2             which kernel series; kept at the version first fetched'
	@echo '  KDIR=TREE [ARCH=um]    another configured and built kernel tree with CONFIG_RUST=y'
	@echo '  M=NAME, FULL=1         one measure of make bench; all of them for longer'
	@echo '  VM_TIMEOUT=SECONDS     when a hung guest is killed (default 900)'
	@echo '  VM_MEMORY=SIZE         memory of the guest (default 4G)'
	@echo '  VM_APPEND=ARGUMENTS    further arguments of its kernel, such as ipv6.disable=1'
	@echo
	@echo 'Kernels, their sources and tools are kept in $${XDG_CACHE_HOME:-~/.cache}/rlvs.'

packages:
	@$(vm)/packages.sh

kernel:
	@$(vm)/packages.sh build
	@$(vm)/kernel.sh $(KERNEL)

module:
	@$(if $(KDIR),,$(vm)/packages.sh build)
	@$(vm)/module.sh $(KERNEL)

modules_install: module
	@$(vm)/module.sh $(KERNEL) modules_install $(if $(INSTALL_MOD_PATH),INSTALL_MOD_PATH=$(INSTALL_MOD_PATH))

tool:
	@$(vm)/tool.sh

# CMD reaches the script through the environment: make would eat its quotes. The
# guest's exit status is vm.sh's; make itself turns every failure into 2.
vm: export VM_CMD = $(value CMD)
vm:
	@$(vm)/vm.sh $(KERNEL) "$$VM_CMD"

demo:
	@$(vm)/vm.sh plain selftests/demo/demo.sh

compare:
	@$(vm)/compare.sh

bench: export FULL := $(FULL)
bench:
	@$(vm)/packages.sh build guest bench
	@selftests/bench/run.py $(M)

# From what is in build/bench/result.json.
bench-report:
	@$(vm)/packages.sh report
	@selftests/bench/report.py build/bench/result.json Documentation/performance

selftest:
	@$(if $(T),,$(error which tests? make selftest T=NAME, T=FOLDER/NAME or T=FOLDER; see selftests/run --list))
	@$(vm)/packages.sh
	@selftests/run --list $(T) >/dev/null
	@$(vm)/vm.sh $(KERNEL) "selftests/run $(T)"

check:
	@$(vm)/check.sh

lint:
	@$(vm)/check.sh lint

fmt:
	@$(vm)/check.sh fmt

clean:
	rm -rf build
