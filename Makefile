# Bulkhead. `make help` lists the goals.
#
# One invocation builds one flavour into one folder, $(BUILD), where objects follow source paths.
# `run`, `test` and `all` call make again with BUILD=$(BUILD)/release or $(BUILD)/testing.

BUILD ?= build
FLAVOUR ?= testing
V ?= 0

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# say: one line on standard error for each thing built, so that `make run` prints only the guest's.
say = @$(if $(filter 1,$(V)),:,printf '  %-5s %s\n' $(1) $(2) >&2)
Q := $(if $(filter 1,$(V)),,@)

CLANG ?= clang
LLD ?= ld.lld
MUSL_GCC ?= musl-gcc
PYTHON ?= python3
export SOURCE_DATE_EPOCH ?= 1704067200
export PYTHONDONTWRITEBYTECODE := 1

# remember: a file that changes only when the text $(2) does; what depends on it is then rebuilt.
define remember
$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$(2)' | cmp -s - $$@ || printf '%s\n' '$(2)' >$$@
endef
.PHONY: FORCE
FORCE:

# objects: dir/name.c becomes $(BUILD)/dir/name.o, dir/name.S becomes $(BUILD)/dir/name.S.o.
objects = $(addprefix $(BUILD)/,$(patsubst %.c,%.o,$(patsubst %.S,%.S.o,$(1))))

# --- the kernel -----------------------------------------------------------------------------------

kernel_src := $(sort $(shell find hal vm sched kernel -name '*.[cS]'))
flavour_flags :=
ifeq ($(FLAVOUR),testing)
kernel_src += $(sort $(shell find testsuite/kern -name '*.[cS]'))
flavour_flags += -DBULKHEAD_TESTING -DBULKHEAD_DEBUG
else
# A fault in a function that calls no other is then shown without its caller.
kernel_flags := -momit-leaf-frame-pointer
endif
kernel_obj := $(call objects,$(kernel_src))

# Linux's own ABI headers (package linux-libc-dev), behind the compiler's freestanding ones.
ABI_INCLUDES := -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include
# A function with an array of its own checks at its end that what lies behind that is still there: the thread's canary, in
# struct percpu. clang knows one there for Linux's triple alone.
STACK_PROTECTOR := -fstack-protector-strong -mstack-protector-guard=tls -mstack-protector-guard-reg=gs \
	-mstack-protector-guard-offset=24 -DPCPU_CANARY=24
KERNEL_CFLAGS := --target=x86_64-unknown-linux-gnu -nostdlibinc -std=gnu11 -O2 -g -I. -MMD -MP \
	-ffreestanding -fPIE -fvisibility=hidden -fdirect-access-external-data \
	-mgeneral-regs-only -mno-red-zone -fno-omit-frame-pointer $(kernel_flags) \
	$(STACK_PROTECTOR) \
	-fno-asynchronous-unwind-tables -fno-unwind-tables -fno-strict-aliasing \
	-Wall -Wextra -Werror -Wno-unused-parameter $(flavour_flags) $(ABI_INCLUDES)
KERNEL_LDFLAGS := -pie --no-dynamic-linker -z text -z separate-code -z max-page-size=4096 \
	-z norelro -z noexecstack --build-id=none --fatal-warnings

.PHONY: kernel
kernel: $(BUILD)/kernel.elf

$(BUILD)/kernel.elf: $(kernel_obj) kernel/kernel.ld $(BUILD)/kernel.list
	$(call say,LD,$@)
	$(Q)$(LLD) $(KERNEL_LDFLAGS) -T kernel/kernel.ld -o $@ $(kernel_obj)

kernel_dirs := hal vm sched kernel testsuite/kern
define kernel_rules
$(BUILD)/$(1)/%.o: $(1)/%.c $(BUILD)/kernel.flags
	$$(call say,CC,$$<)
	@mkdir -p $$(@D)
	$(Q)$(CLANG) $(KERNEL_CFLAGS) -c -o $$@ $$<
$(BUILD)/$(1)/%.S.o: $(1)/%.S $(BUILD)/kernel.flags
	$$(call say,AS,$$<)
	@mkdir -p $$(@D)
	$(Q)$(CLANG) $(KERNEL_CFLAGS) -I$(BUILD) -c -o $$@ $$<
endef
$(foreach d,$(kernel_dirs),$(eval $(call kernel_rules,$(d))))

# The screen's font, from Debian's console-setup-linux.
FONT ?= /usr/share/consolefonts/Lat15-VGA16.psf.gz
$(BUILD)/hal/console/font.S.o: $(BUILD)/font.psf
$(BUILD)/font.psf: $(FONT)
	@mkdir -p $(@D)
	$(Q)gzip -dc $< >$@

$(eval $(call remember,$(BUILD)/kernel.flags,$(CLANG) $(KERNEL_CFLAGS)))
$(eval $(call remember,$(BUILD)/kernel.list,$(KERNEL_LDFLAGS) $(kernel_obj)))

-include $(kernel_obj:.o=.d)

# --- the vDSO ---------------------------------------------------------------------------------------

# A shared object for ring 3, carried in the kernel's image: one segment, no data, no relocations, no section
# that would need memory of its own.
VDSO_CFLAGS := --target=x86_64-unknown-linux-gnu -std=gnu11 -O2 -g0 -I. -MMD -MP -ffreestanding -fPIC \
	-mgeneral-regs-only -mno-red-zone -fno-stack-protector -fno-strict-aliasing -fomit-frame-pointer \
	-fasynchronous-unwind-tables -Wall -Wextra -Werror -Wno-unused-parameter $(ABI_INCLUDES)
VDSO_LDFLAGS := -shared -soname linux-vdso.so.1 --hash-style=both -Bsymbolic -z rodynamic -z noseparate-code \
	--no-rosegment -z max-page-size=4096 -z norelro -z noexecstack -z text -z defs --eh-frame-hdr \
	--build-id=none --fatal-warnings --strip-all

$(BUILD)/user/vdso/vdso.o: user/vdso/vdso.c $(BUILD)/vdso.flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(VDSO_CFLAGS) -c -o $@ $<
$(BUILD)/user/vdso/vdso.so: $(BUILD)/user/vdso/vdso.o user/vdso/vdso.version $(BUILD)/vdso.flags
	$(call say,VDSO,$@)
	$(Q)$(LLD) $(VDSO_LDFLAGS) --version-script user/vdso/vdso.version -o $@ $<
$(BUILD)/kernel/proc/vdso_image.S.o: $(BUILD)/user/vdso/vdso.so
$(eval $(call remember,$(BUILD)/vdso.flags,$(CLANG) $(VDSO_CFLAGS) $(VDSO_LDFLAGS)))
-include $(BUILD)/user/vdso/vdso.d

# --- programs and the root file system --------------------------------------------------------------

# Everything that runs in ring 3: static, by musl. user/init/ is one program; every other file of
# user/bin/ and testsuite/prog/ is one each. A first line `/* cflags: ... */` adds flags for it.
USER_CFLAGS := -static -s -O2 -g0 -std=gnu11 -I. -Wall -Wextra -Werror -MMD -MP $(flavour_flags)
file_cflags = $(shell sed -n '1s,^/\* cflags: \(.*\) \*/$$,\1,p' $(1))

init_src := $(sort $(wildcard user/init/*.c))
init := $(if $(init_src),$(BUILD)/user/init/init)
bin_src := $(sort $(wildcard user/bin/*.c user/bin/*.S))
bin := $(addprefix $(BUILD)/,$(basename $(bin_src)))
prog_src := $(if $(filter testing,$(FLAVOUR)),$(sort $(wildcard testsuite/prog/*.[cS])))
prog := $(addprefix $(BUILD)/,$(basename $(prog_src)))

$(BUILD)/user/init/init: $(init_src) $(BUILD)/user.flags $(BUILD)/user.list
	$(call say,USER,$@)
	@mkdir -p $(@D)
	$(Q)$(MUSL_GCC) $(USER_CFLAGS) -MF $@.d -MT $@ -o $@ $(init_src)

define user_rule
$(BUILD)/$(basename $(1)): $(1) $(BUILD)/user.flags
	$$(call say,USER,$$<)
	@mkdir -p $$(@D)
	$(Q)$(MUSL_GCC) $(USER_CFLAGS) -MF $$@.d -MT $$@ -o $$@ $$< $$(call file_cflags,$$<)
endef
$(foreach f,$(bin_src) $(prog_src),$(eval $(call user_rule,$(f))))
-include $(addsuffix .d,$(init) $(bin) $(prog))

BUSYBOX ?= /bin/busybox
root_programs := $(if $(init),sbin/init=$(init)) \
	$(foreach p,$(bin),bin/$(notdir $(p))=$(p)) \
	$(foreach p,$(prog),test/$(notdir $(p))=$(p))
root_skeleton := $(shell find user/root -type f 2>/dev/null)

$(BUILD)/root.cpio: $(init) $(bin) $(prog) $(BUSYBOX) $(root_skeleton) $(BUILD)/user.list \
		testsuite/lib/mkroot.py testsuite/lib/bulkhead/cpio.py
	$(call say,CPIO,$@)
	$(Q)$(PYTHON) testsuite/lib/mkroot.py -o $@ -b $(BUSYBOX) -s user/root $(root_programs)

$(eval $(call remember,$(BUILD)/user.flags,$(MUSL_GCC) $(USER_CFLAGS)))
$(eval $(call remember,$(BUILD)/user.list,$(root_programs) $(root_skeleton)))

bench := $(BUILD)/testsuite/bench/bench
$(eval $(call user_rule,testsuite/bench/bench.c))
-include $(bench).d

# --- the one file: BOOTX64.EFI ------------------------------------------------------------------------

EFI_INCLUDE ?= /usr/include/efi
LLD_LINK ?= lld-link
OBJCOPY ?= llvm-objcopy
CMDLINE ?=

efi_src := $(sort $(wildcard efi/*.c efi/*.S))
efi_obj := $(call objects,$(efi_src))
EFI_CFLAGS := --target=x86_64-unknown-windows -std=gnu11 -O2 -g -I. -MMD -MP -ffreestanding \
	-fshort-wchar -mgeneral-regs-only -mno-red-zone -fno-stack-protector -mno-stack-arg-probe \
	-fno-strict-aliasing -fno-asynchronous-unwind-tables -Wall -Wextra -Werror \
	-isystem $(EFI_INCLUDE) -isystem $(EFI_INCLUDE)/x86_64 -DHAVE_USE_MS_ABI $(flavour_flags)
EFI_LDFLAGS := /subsystem:efi_application /entry:efi_main /nodefaultlib /Brepro /machine:x64 /base:0

$(BUILD)/efi/%.o: efi/%.c $(BUILD)/efi.flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(EFI_CFLAGS) -c -o $@ $<
$(BUILD)/efi/%.S.o: efi/%.S $(BUILD)/efi.flags
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(EFI_CFLAGS) -I$(BUILD) -Iuser/root/etc -c -o $@ $<
$(BUILD)/efi/payload.S.o: user/root/etc/os-release $(addprefix $(BUILD)/,cmdline kernel.stripped root.cpio)
-include $(efi_obj:.o=.d)

# Backtraces need the symbols; only gdb needs the rest, and it reads kernel.elf.
$(BUILD)/kernel.stripped: $(BUILD)/kernel.elf
	$(Q)$(OBJCOPY) --strip-debug $< $@

$(BUILD)/BOOTX64.EFI: $(efi_obj) $(BUILD)/efi.flags
	$(call say,EFI,$@)
	$(Q)$(LLD_LINK) $(EFI_LDFLAGS) /out:$@ $(efi_obj)

$(eval $(call remember,$(BUILD)/efi.flags,$(CLANG) $(EFI_CFLAGS) $(EFI_LDFLAGS)))
$(eval $(call remember,$(BUILD)/cmdline,$(CMDLINE)))

# --- the disk -------------------------------------------------------------------------------------------

esp_files := $(shell find esp -type f)
$(BUILD)/bulkhead.img: $(BUILD)/BOOTX64.EFI $(esp_files) testsuite/lib/mkimage.py \
		testsuite/lib/bulkhead/image.py
	$(call say,DISK,$@)
	$(Q)$(PYTHON) testsuite/lib/mkimage.py $@ $< esp

# --- goals ----------------------------------------------------------------------------------------

.PHONY: all image release testing run test check syscalls format sabotage fuzz fuzz-syscalls bench-boot screenshot gdb help clean deps root
image: $(BUILD)/bulkhead.img

flavour = +$(Q)$(MAKE) BUILD=$(BUILD)/$(1) FLAVOUR=$(1) image
# The words that the user gave, unexpanded: a CMD may hold a dollar sign.
run_names := CMD ROOT MEM SMP CPU ACCEL APPEND QEMUFLAGS TIMEOUT ICOUNT VERBOSE LOG
$(foreach n,$(run_names),$(if $(filter undefined,$(origin $(n))),,\
	$(eval override $(n) := $$(value $(n)))$(eval export $(n))))

all: release testing

define help_text
make                 both flavours: build/release and build/testing, each with BOOTX64.EFI,
                     bulkhead.img (a disk to boot from) and kernel.elf (for gdb)
make run             boot it in QEMU; this terminal becomes its console (Ctrl-] stops the machine)
make run CMD='...'   run one shell command line, print what it prints, end with its status
                     (./testsuite/boot CMD='...' gives the status itself)
    ROOT=folder      laid over the root file system   (make root fills one)
    MEM= SMP= CPU= ACCEL= APPEND= QEMUFLAGS= TIMEOUT= ICOUNT=1 VERBOSE=1 LOG=file
                     see ./testsuite/boot --help
make root PKGS='coreutils procps' OUT=folder
                     Debian's own packages, with all that they need, unpacked for ROOT=
make test            everything: host, guest, scenarios   (TESTS='host/* guest' for some)
make sabotage        break each protection: the test that guards it must go red
make check           format, who includes whom, static analysis
make format          lay out every C file as .clang-format says
make syscalls        kernel/abi/SYSCALLS.md, from the table of calls and what is noted of them
make bench           instructions per operation, beside Linux's   (ROWS='fault_cow ...' for some)
make bench-boot      instructions from the stub to pid 1, and memory in use
make fuzz            random input for the loader's checks and the screen's terminal   (FUZZ_SECONDS=60)
make fuzz-syscalls   a million random system calls   (FUZZ_CALLS=1000000 FUZZ_SEEDS='1 2 3')
make screenshot      testsuite/screen.png, the picture in the README
make gdb             stop at the kernel's first line, under gdb
make compile_commands.json
make deps            install what is missing (Debian); called by all of the above
make clean
Variables: BUILD=folder  CMDLINE='words built into the file'  V=1 (show commands)
endef
export help_text
help:
	@printf '%s\n' "$$help_text"

deps:
	@./testsuite/deps

release: deps
	$(call flavour,release)

testing: deps
	$(call flavour,testing)

run: release
	@EFI=$(BUILD)/release/BOOTX64.EFI ./testsuite/boot

test check gdb: export DEVELOP := 1
test: testing
	@./testsuite/run -b $(BUILD)/testing $(TESTS)

PKGS ?=
OUT ?= $(BUILD)/root
root:
	@CACHE=$(BUILD)/packages ./testsuite/debian-root $(OUT) $(PKGS)

.PHONY: bench-program
bench-program: $(bench)

bench: release
	+$(Q)$(MAKE) BUILD=$(BUILD)/release FLAVOUR=release bench-program
	@BENCH=$(BUILD)/release/testsuite/bench/bench EFI=$(BUILD)/release/BOOTX64.EFI \
		./testsuite/bench/run $(ROWS)

# Each protection broken on purpose must turn the test that guards it red.
sabotage: testing
	@./testsuite/sabotage -b $(BUILD)/testing $(TESTS)

bench-boot: release
	@EFI=$(BUILD)/release/BOOTX64.EFI $(PYTHON) testsuite/lib/bench_boot.py

screenshot: release
	@./testsuite/screenshot $(BUILD)/release/BOOTX64.EFI testsuite/screen.png \
		'uname -a' 'ls /' 'cat /etc/os-release' 'ps' 'echo $$((6 * 7)) | sed "s/$$/ is it/"'

# Random input for functions on the host; and random system calls, in a machine.
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 60
FUZZ_RUNS ?= -1
FUZZ_SEED ?= 0
FUZZ_CALLS ?= 1000000
FUZZ_SEEDS ?= 1
FUZZ_CFLAGS := -std=gnu11 -O2 -g -I. -Wall -Wextra -Werror -Wno-unused-parameter -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -DBULKHEAD_TESTING -DBULKHEAD_HOST
fuzz := $(BUILD)/fuzz

$(fuzz)/elf: testsuite/fuzz/elf.c kernel/proc/elf.c kernel/proc/elf.h
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -o $@ $(filter %.c,$^)

$(fuzz)/vt: testsuite/fuzz/vt.c hal/console/vt.c hal/base/printf.c hal/console/vt.h
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) -o $@ $(filter %.c,$^)

FUZZ_TARGETS ?= elf vt
fuzz: $(addprefix $(fuzz)/,$(FUZZ_TARGETS))
	@testsuite/fuzz/seeds.py $(fuzz)/elf-seeds
	@for t in $(FUZZ_TARGETS); do mkdir -p $(fuzz)/$$t-corpus $(fuzz)/$$t-seeds && \
		$(fuzz)/$$t -max_total_time=$(FUZZ_SECONDS) -runs=$(FUZZ_RUNS) -seed=$(FUZZ_SEED) -max_len=1024 \
		-print_final_stats=1 -artifact_prefix=$(fuzz)/$$t- $(fuzz)/$$t-corpus $(fuzz)/$$t-seeds || exit 1; done

fuzz-syscalls: testing
	@for seed in $(FUZZ_SEEDS); do EFI=$(BUILD)/testing/BOOTX64.EFI TIMEOUT=3600 ./testsuite/boot \
		CMD="/test/sysfuzz @run $(FUZZ_CALLS) $$seed 3000" </dev/null || exit 1; done

gdb: testing
	@./testsuite/gdb/run $(BUILD)/testing

# What is committed, and what is about to be.
ours = $(shell git ls-files -co --exclude-standard -- $(1))
check: deps
	$(Q)clang-format --dry-run -Werror $(call ours,'*.c' '*.h')
	$(Q)$(PYTHON) testsuite/lib/check_includes.py
	$(Q)$(PYTHON) testsuite/lib/syscall_table.py -c
	$(Q)cppcheck --quiet --enable=warning --inline-suppr --suppress=comparePointers \
		--std=c11 -D__x86_64__ -I. --error-exitcode=1 $(call ours,$(addsuffix /*.c,$(kernel_dirs) efi))

# The table of system calls, flag by flag (kernel/abi/SYSCALLS.md).
syscalls:
	$(Q)$(PYTHON) testsuite/lib/syscall_table.py

format:
	clang-format -i $(call ours,'*.c' '*.h')

# For editors.
compile_command = {"directory": "$(CURDIR)", "file": "$(2)", "command": "$(1) -c $(2)"},
compile_commands.json: FORCE
	$(Q){ echo '['; printf '%s\n' \
		$(foreach f,$(kernel_src),'$(call compile_command,$(CLANG) $(KERNEL_CFLAGS),$(f))') \
		$(foreach f,$(efi_src),'$(call compile_command,$(CLANG) $(EFI_CFLAGS),$(f))') | \
		sed '$$s/,$$//'; echo ']'; } >$@

clean:
	rm -rf $(BUILD) compile_commands.json
