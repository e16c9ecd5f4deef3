# SPDX-License-Identifier: GPL-2.0-only
# "make help" lists what can be made. Everything is built below build/.
RSMCTL_VERSION := 0.1.0

# Kernel headers to build the module for.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(shell ls -d /lib/modules/*/build 2>/dev/null | sort -rV))

prefix ?= /usr/local
DESTDIR ?=
CACHE := $(or $(RSM_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rsmctl)
RSM_KERNELS ?= 6.1 6.12 debug
ALL_KERNELS := 6.1 6.12 6.1-rt 7.x debug debug-kcsan
RSM_TEST ?=
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
MAKEFLAGS += --no-print-directory

# $(call release,HEADERS): the uname -r of the kernel that headers are for.
release = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' \
	$(1)/include/generated/utsrelease.h 2>/dev/null)
RELEASE := $(call release,$(KDIR))
MODBUILD = $(CURDIR)/build/$(RELEASE)$(if $(filter y,$(RSM_TEST)),-test)
DKMS_SRC = $(DESTDIR)/usr/src/rsmctl-$(RSMCTL_VERSION)
KVER ?= $(RELEASE)
INSTALL_DIR := updates

SUBMAKE_ARGS = prefix=$(prefix) DESTDIR=$(DESTDIR) RSMCTL_VERSION=$(RSMCTL_VERSION)
sub = +$(Q)$(MAKE) -C $(1) O=$(CURDIR)/build/$(1) $(SUBMAKE_ARGS) $(2)

.PHONY: all help modules test-modules lib tools selftests remote-suites \
	examples setup kernels \
	check check-all check-model check-mutants check-rdma demo demo-rdma bench \
	bench-rdma lint deb install install-module install-user uninstall \
	dkms-install dkms-build dkms-uninstall \
	clean

all: modules lib tools

help:
	@echo 'make [all]         module for the running kernel, library, tools'
	@echo 'make modules       module (KDIR=headers, RSM_TEST=y: with test code)'
	@echo 'make lib           libusrsm'
	@echo 'make tools         rsmctl and the demo programs'
	@echo 'make selftests     test programs'
	@echo 'make examples      example programs, with the installed library'
	@echo 'make check         everything built strictly and tested in virtual machines,'
	@echo '                   one with a kernel that is built here, once'
	@echo 'make check-all     every test there is, on every kernel: some hours'
	@echo 'make check-model   a model of rebind, searched for errors (package spin)'
	@echo 'make check-rdma    the controller for RDMA networks, on one machine and three'
	@echo 'make check-mutants the driver broken on purpose, to see the tests notice'
	@echo 'make bench         what operations cost, by time and by instructions, in'
	@echo '                   virtual machines (BENCH_ARGS=...)'
	@echo 'make bench-rdma    the same to other machines (BENCH_ARGS=...)'
	@echo 'make demo          the demonstration in a virtual machine (FILE=...)'
	@echo 'make demo-rdma     two virtual machines share files by RDMA, as README tells'
	@echo 'make lint          style, static analysis, documentation comments'
	@echo 'make install       module, library, tools, headers (prefix=, DESTDIR=)'
	@echo 'make uninstall     removes what install has put in place'
	@echo 'make dkms-install  module under the care of DKMS (KVER=kernel release);'
	@echo '                   dkms-uninstall takes it away again'
	@echo 'make deb           Debian packages in build/deb: rsmctl-dkms, libusrsm0,'
	@echo '                   libusrsm-dev, rsmctl'
	@echo 'make clean         removes build/'

# The module is built in a directory of its own for each kernel, on links to
# the sources, so that objects for several kernels can coexist.
modules:
	$(if $(RELEASE),,$(error No kernel headers found: install them \
		(Debian: linux-headers-amd64) or set KDIR=DIRECTORY))
	@mkdir -p $(MODBUILD)
	@find $(MODBUILD) -type l -delete
	@cp -rsf $(CURDIR)/Kbuild $(CURDIR)/kernel $(CURDIR)/include $(MODBUILD)/
	$(Q)$(MAKE) -C $(KDIR) M=$(MODBUILD) W=1 RSM_TEST=$(RSM_TEST) \
		RSMCTL_VERSION=$(RSMCTL_VERSION) \
		CONFIG_DEBUG_INFO_BTF_MODULES= $(STRICT) modules

# With test code, sparse, and any finding an error.
STRICT :=
test-modules:
	$(Q)$(MAKE) modules KDIR=$(KDIR) RSM_TEST=y \
		STRICT='C=1 CF=-Wsparse-error KCFLAGS=-Werror'

lib:
	$(call sub,lib,all)

tools: lib
	$(call sub,tools,all)

selftests: lib setup
	$(call sub,selftests,all KSFT=$(CACHE)/linux/tools/testing/selftests)

# With what is installed and nothing else.
examples:
	$(Q)$(MAKE) -C lib/examples check-build O=$(CURDIR)/build/examples \
		RSMCTL_VERSION=$(RSMCTL_VERSION)

setup:
	@selftests/vm/setup $(filter-out debug%,$(RSM_KERNELS))

# Those that watch themselves, which nobody offers.
kernels: setup
	@for kernel in $(filter debug%,$(RSM_KERNELS)); do \
		selftests/vm/debug $$(echo $$kernel | \
			sed 's/^debug$$/kasan/;s/^debug-//') || exit; \
	done

check: kernels
	@echo '== building'
	$(Q)$(MAKE) lib tools selftests examples
	$(Q)set -e; for kernel in $(RSM_KERNELS); do \
		$(MAKE) test-modules KDIR=$$(realpath $(CACHE)/kernels/$$kernel/build); \
	done
	@RSM_KERNELS='$(RSM_KERNELS)' RSM_ALL='$(RSM_ALL)' selftests/vm/check

check-all: lint check-model
	@selftests/vm/setup tools
	$(Q)$(MAKE) check RSM_KERNELS='$(ALL_KERNELS)' RSM_ALL=y
	@selftests/valgrind
	@selftests/libfuzz
	@selftests/vm/fuzz -t 600
	@selftests/vm/fuzz -k 6.1 -t 300
	$(Q)$(MAKE) check-rdma RSM_KERNELS='$(ALL_KERNELS)'
	$(Q)$(MAKE) check-mutants
	@selftests/soak
	@selftests/vm/install
	@selftests/vm/deb

check-model:
	@selftests/model

# Suites for controllers to other machines
remote-suites: lib setup
	+$(Q)$(MAKE) -C selftests O=$(CURDIR)/build/selftests remote \
		KSFT=$(CACHE)/linux/tools/testing/selftests

check-mutants: setup
	$(Q)$(MAKE) lib selftests remote-suites
	@selftests/vm/mutants

# What is tested with RDMA of them, or of all there are
RDMA_KERNELS := $(filter-out debug-% %-rt,$(if $(filter file, \
	$(origin RSM_KERNELS)),$(ALL_KERNELS),$(RSM_KERNELS)))
check-rdma: RSM_KERNELS := $(RDMA_KERNELS)
check-rdma: kernels
	@echo '== building'
	$(Q)$(MAKE) lib tools remote-suites
	$(Q)set -e; for kernel in $(RDMA_KERNELS); do \
		$(MAKE) test-modules KDIR=$$(realpath $(CACHE)/kernels/$$kernel/build); \
	done
	@RSM_KERNELS='$(RDMA_KERNELS)' selftests/vm/rdma

FILE ?= README
demo: setup
	@echo '== building'
	$(Q)$(MAKE) lib tools
	$(Q)$(MAKE) modules KDIR=$$(realpath $(CACHE)/kernels/6.1/build)
	@echo '== booting a virtual machine with Linux 6.1'
	@RSM_MODULE=build/$$(cat $(CACHE)/kernels/6.1/release)/rsmctl.ko \
		selftests/vm/run -k 6.1 -t 300 -a '$(FILE)' -- \
		/usr/bin/demo '$(notdir $(FILE))'

DEMO_KERNEL ?= 6.12
demo-rdma: setup
	@echo '== building'
	$(Q)$(MAKE) lib tools
	$(Q)$(MAKE) modules KDIR=$$(realpath $(CACHE)/kernels/$(DEMO_KERNEL)/build)
	@RSM_MODULE=build/$$(cat $(CACHE)/kernels/$(DEMO_KERNEL)/release)/rsmctl.ko \
		selftests/vm/demo-rdma $(DEMO_KERNEL)

BENCH_ARGS ?=
BENCH_KERNELS = $(filter-out debug%,$(RSM_KERNELS))
bench: setup
	@echo '== building'
	$(Q)$(MAKE) lib tools
	$(Q)set -e; for kernel in $(BENCH_KERNELS); do \
		$(MAKE) modules KDIR=$$(realpath $(CACHE)/kernels/$$kernel/build); \
	done
	@RSM_KERNELS='$(BENCH_KERNELS)' selftests/vm/bench -- $(BENCH_ARGS)

bench-rdma: setup
	@echo '== building'
	$(Q)$(MAKE) lib tools
	$(Q)set -e; for kernel in $(BENCH_KERNELS); do \
		$(MAKE) modules KDIR=$$(realpath $(CACHE)/kernels/$$kernel/build); \
	done
	@set -e; for kernel in $(BENCH_KERNELS); do \
		selftests/vm/bench-rdma -k $$kernel -- $(BENCH_ARGS); \
	done

lint: setup
	@RSM_KERNELS='$(filter-out debug%,$(RSM_KERNELS))' .ci/lint

# DKMS, where it has the module in its care, has installed it.
dkms_installed = $(if $(DESTDIR),,$(shell dkms status rsmctl -k $(RELEASE) \
	2>/dev/null | grep installed))

install: lib tools
	$(if $(dkms_installed),@echo 'rsmctl.ko is left to DKMS', \
		$(Q)$(MAKE) install-module)
	$(Q)$(MAKE) install-user

# All but the module.
install-user: lib tools
	$(call sub,lib,install)
	$(call sub,tools,install)
	$(if $(DESTDIR),,$(Q)ldconfig)

install-module: modules
	$(Q)$(MAKE) -C $(KDIR) M=$(MODBUILD) INSTALL_MOD_DIR=$(INSTALL_DIR) \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) \
		CONFIG_DEBUG_INFO_BTF_MODULES= modules_install
	$(if $(DESTDIR),,$(Q)depmod $(RELEASE))

# Of all kernels that it was installed for.
uninstall:
	$(call sub,tools,uninstall)
	$(call sub,lib,uninstall)
	$(Q)cd $(DESTDIR)/lib/modules 2>/dev/null || exit 0; \
		for module in */$(INSTALL_DIR)/rsmctl.ko* \
			*/$(INSTALL_DIR)/rsm_rdma.ko*; do \
		[ -e $$module ] || continue; \
		rm $$module || exit; \
		rmdir --ignore-fail-on-non-empty $${module%/*}; \
		$(if $(DESTDIR),:,depmod $${module%%/*}); \
	done
	$(if $(DESTDIR),,$(Q)ldconfig)

# With DESTDIR, which is a package to be, only its source is put in place.
dkms-install:
	$(Q)rm -rf $(DKMS_SRC)
	$(Q)mkdir -p $(DKMS_SRC)
	$(Q)cp -r Makefile Kbuild dkms.conf COPYING kernel include $(DKMS_SRC)/
	$(if $(DESTDIR),,$(Q)$(MAKE) dkms-build)

DKMS_MODULE = rsmctl/$(RSMCTL_VERSION)
dkms-build:
	@command -v dkms >/dev/null || \
		{ echo 'dkms is missing: apt-get install dkms' >&2; exit 1; }
	$(Q)rm -f /lib/modules/$(KVER)/$(INSTALL_DIR)/rsmctl.ko* \
		/lib/modules/$(KVER)/$(INSTALL_DIR)/rsm_rdma.ko*
	$(Q)[ -n "$$(dkms status $(DKMS_MODULE))" ] || dkms add $(DKMS_MODULE)
	$(Q)dkms build --force $(DKMS_MODULE) -k $(KVER)
	$(Q)dkms install --force $(DKMS_MODULE) -k $(KVER)

dkms-uninstall:
	$(if $(DESTDIR),,$(Q)[ -z "$$(dkms status $(DKMS_MODULE) \
		2>/dev/null)" ] || dkms remove $(DKMS_MODULE) --all)
	$(Q)rm -rf $(DKMS_SRC)

deb:
	@tools/packaging/build-deb $(RSMCTL_VERSION)

clean:
	$(Q)rm -rf build
