# Rules every guest shares. The including Makefile sets ELVES (names to build) and one `NAME.elf` rule per image.
#
# The output must be the same, byte for byte, wherever and whenever it is built: no build id, no absolute path (sources are
# named relative to the guest's folder), no time. The committed ELFs are checked against a fresh build with that in mind.
CC = arm-none-eabi-gcc
STRIP = arm-none-eabi-strip
COMMON := ../common

CFLAGS = -std=gnu11 -Wall -Wextra -Wno-override-init -Werror -ffreestanding -fno-builtin -fno-common -ffunction-sections -fdata-sections \
         -fno-tree-loop-distribute-patterns -frandom-seed=flotilla -I$(COMMON) \
         -ffile-prefix-map=$(CURDIR)=. -fdebug-prefix-map=$(CURDIR)=. # the second also reaches the assembler
LDFLAGS = -nostdlib -nostartfiles -static -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,max-page-size=0x100 -Wl,--no-warn-rwx-segments -L$(COMMON)

.PHONY: all clean
all: $(addprefix $(OUT)/,$(ELVES))

clean:
	rm -f $(addprefix $(OUT)/,$(ELVES))

$(OUT):
	mkdir -p $@
