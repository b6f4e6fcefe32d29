# Cortex-M7: double-precision floats in registers (FPv5-D16, hard-float ABI), Python's float is a double.
# Of the port's float tests math_constants fails on any machine: the C library's exp(1.0) is one unit off in the last place.
QEMU_ARCH = arm
QEMU_MACHINE = mps2-an500

CFLAGS += -mthumb -mcpu=cortex-m7 -mfpu=fpv5-d16 -mfloat-abi=hard
CFLAGS += -DQEMU_SOC_MPS2
CFLAGS += -DMICROPY_HW_MCU_NAME='"Cortex-M7"'
CFLAGS += -DMP_CONFIGFILE='"$(BOARD_DIR)/mpconfig_double.h"'

LDSCRIPT = mcu/arm/mps2.ld

SRC_BOARD_O = shared/runtime/gchelper_native.o shared/runtime/gchelper_thumb2.o

# The port's start-up code leaves the FPU off; ours runs before the first float.
SRC_C += $(BOARD_DIR)/../fpu_on.c
LDFLAGS += -Wl,--wrap=mp_semihosting_init

LIB_SRC_C += $(SRC_LIB_LIBM_DBL_C) $(SRC_LIB_LIBM_DBL_SQRT_HW_C)

MPY_CROSS_FLAGS += -march=armv7emdp
