# Cortex-M4F: single-precision floats in registers (FPv4-SP-D16, hard-float ABI).
QEMU_ARCH = arm
QEMU_MACHINE = mps2-an386

CFLAGS += -mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard
CFLAGS += -DQEMU_SOC_MPS2
CFLAGS += -DMICROPY_HW_MCU_NAME='"Cortex-M4F"'

LDSCRIPT = mcu/arm/mps2.ld

SRC_BOARD_O = shared/runtime/gchelper_native.o shared/runtime/gchelper_thumb2.o

# The port's start-up code leaves the FPU off; ours runs before the first float.
SRC_C += $(BOARD_DIR)/../fpu_on.c
LDFLAGS += -Wl,--wrap=mp_semihosting_init

MPY_CROSS_FLAGS += -march=armv7emsp
