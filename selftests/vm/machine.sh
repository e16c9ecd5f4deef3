# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by the scripts that source this, and by theirs
#
# A Debian 12 in a virtual machine, with a disk, systemd and DKMS. For install
# and deb. What its disk is made from is fetched the first time.
# selftests/install/guest is what happens inside.

# Seconds for boot and stage; on a busy machine the longest took 1600.
LIMIT=${RSM_INSTALL_LIMIT:-3600}
GUEST=$TOP/selftests/install
LABEL=rsm

# make_image FILE: the disk, before anything is installed.
make_image()
{
	local image=$1 root mirror security

	find_mirrors
	root=$(mktemp -u "$CACHE/machine.XXXXXX")
	say "making a Debian 12 for it (600 MB to fetch) ..."
	bootstrap bookworm "$root" ca-certificates
	say "installing DKMS and a kernel there ..."
	if ! in_root "$root" "$mirror" "$security" >"$CACHE/machine.log" 2>&1; then
		tail -n 30 "$CACHE/machine.log" >&2
		as_root rm -rf "$root"
		die "cannot prepare the machine: see above, and $CACHE/machine.log"
	fi
	say "making its disk ..."
	as_root mke2fs -q -t ext4 -L $LABEL -d "$root" "$image.$$" 6G >/dev/null ||
		die "cannot make $image"
	as_root chown "$(id -u)" "$image.$$"
	as_root rm -rf "$root"
	mv "$image.$$" "$image"
}

# in_root ROOT MIRROR SECURITY: runs prepare in there.
in_root()
{
	as_root cp "$GUEST/prepare" "$1/prepare" &&
		as_root cp /etc/resolv.conf "$1/etc/resolv.conf" &&
		as_root unshare --mount --pid --fork --mount-proc="$1/proc" \
			chroot "$1" /prepare "$2" "$3" &&
		as_root rm "$1/prepare"
}

# image: prints the path of the disk that fits the files here.
image()
{
	local file

	file=$CACHE/machine-$({ declare -f make_image in_root
			       cat "$GUEST/prepare"; } | cksum |
			      cut -d ' ' -f 1).img
	[ -e "$file" ] || make_image "$file" >&2 || exit
	find "$CACHE" -maxdepth 1 -name 'machine-*.img' ! -path "$file" \
		-mtime +7 -delete
	echo "$file"
}

# source_tar: the source, and nothing that was built.
source_tar()
{
	tar -C "$TOP" --exclude=./build --exclude=./.git -cf "$work/source.tar" .
}

# dump PATH FILE: a file of the disk
dump()
{
	debugfs -R "dump $1 $2" "$work/disk" 2>"$work/debugfs.err"
	[ -s "$2" ]
}

# newest_kernel: takes kernel and ramdisk from the disk, as a boot loader does.
newest_kernel()
{
	local release

	release=$(debugfs -R 'ls -p /boot' "$work/disk" 2>/dev/null |
		  sed -n 's:.*/vmlinuz-\([^/]*\)/.*:\1:p' | sort -V | tail -n 1)
	if ! dump "/boot/vmlinuz-$release" "$work/vmlinuz" ||
	   ! dump "/boot/initrd.img-$release" "$work/initrd"; then
		die "the machine has no kernel: see $work/disk"
	fi
}

# machine STAGE: boots it; what the guest says goes to standard output.
machine()
{
	local accel=tcg,thread=multi args

	# run has tried that
	[ "$(cat "$KVM_NOTE" 2>/dev/null)" != yes ] || accel=kvm
	args="root=LABEL=$LABEL rw console=ttyS0 loglevel=5 panic=-1 oops=panic"
	args+=" printk.devkmsg=on no_timer_check mitigations=off net.ifnames=0"
	# emulated on a busy machine, a CPU may stand still for a minute
	args+=" nosoftlockup rcupdate.rcu_cpu_stall_suppress=1"
	[ $accel = kvm ] || args+=" clearcpuid=erms,fsrm,rep_good"
	timeout --foreground -k 3 "$LIMIT" qemu-system-x86_64 \
		-accel $accel -cpu max -M q35 -m "${RSM_VM_MEM:-2048}" -smp 2 \
		-nodefaults -nographic -no-reboot -pidfile "$work/pid" \
		-kernel "$work/vmlinuz" -initrd "$work/initrd" \
		-append "$args lab.stage=$1" \
		-drive "if=none,id=disk,file=$work/disk,format=raw,cache=unsafe" \
		-device virtio-blk-pci,drive=disk \
		-drive "if=none,id=source,file=$work/source.tar,format=raw,readonly=on" \
		-device virtio-blk-pci,drive=source,serial=source \
		-serial "file:$work/$1.log" -chardev stdio,id=out,signal=off \
		-serial chardev:out </dev/null 2>"$work/qemu.err"
}

# result STATE TEXT: a line of KTAP
result()
{
	n=$((n + 1))
	[ "$1" = ok ] || failed=1
	echo "$1 $n $2"
}

# kernel_is_well LOG: what it says otherwise is printed.
kernel_is_well()
{
	[ -s "$1" ] || { echo '# there is no log'; return 1; }
	! since_start "$1" | grep -Ea "$SPLAT" | sed 's/^/# /' | grep .
}

# judge STAGE: numbers what the guest says, and adds what it cannot say.
judge()
{
	local line state='not ok'

	while IFS= read -r line; do
		line=${line%$'\r'}
		case $line in
		'ok - '*) result ok "${line#ok - }" ;;
		'not ok - '*) result 'not ok' "${line#not ok - }" ;;
		done)	state=ok ;;
		*)	echo "$line" ;;
		esac
	done < <(machine "$1")
	[ "$state" = ok ] || sed 's/^/# /' "$work/qemu.err"
	result "$state" "stage $1 ends"
	kernel_is_well "$work/$1.log" && state=ok || state='not ok'
	result "$state" "$1: the kernel is well"
}

# shellcheck disable=SC2317 # called by trap
cleanup()
{
	[ ! -s "$work/pid" ] || kill "$(cat "$work/pid")" 2>/dev/null
	if [ "$failed" = 0 ]; then
		rm -rf "$work"
	else
		echo "# the machine's disk and logs are in $work"
	fi
}

# prepare_machine NAME: makes the disk of a fresh one and the tar archive of
# the source, in build/NAME.
prepare_machine()
{
	local image

	mkdir -p "$CACHE" || exit 2
	install_packages qemu-system-x86 e2fsprogs
	work=$BUILD/$1
	rm -rf "$work"
	mkdir -p "$work" || exit 2
	failed=1
	n=0
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	image=$(image) || exit 2
	cp --sparse=always "$image" "$work/disk" && source_tar || exit 2
}

# run_stages STAGE...: boots the machine for each, and tells what came of it.
run_stages()
{
	local stage

	failed=0
	echo 'TAP version 13'
	for stage; do
		newest_kernel
		judge "$stage"
	done
	echo "1..$n"
	return $failed
}
