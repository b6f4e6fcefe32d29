/* The memory protection unit of ARMv7-M (PMSAv7, DDI 0403 B3.5): permissions, subregions, overlap, the background map, faults. */
#include "core.h"

#define MPU_TYPE REG(0xE000ED90)
#define MPU_CTRL REG(0xE000ED94)
#define MPU_RNR REG(0xE000ED98)
#define MPU_RBAR REG(0xE000ED9C)
#define MPU_RASR REG(0xE000EDA0)
#define MPU_RBAR_A1 REG(0xE000EDA4)
#define MPU_RASR_A1 REG(0xE000EDA8)

#define ENABLE 1u
#define PRIVDEFENA 4u
#define VALID 16u
#define XN (1u << 28)
#define NO_ACCESS (0u << 24)
#define PRIVILEGED (1u << 24)
#define USER_READS (2u << 24)
#define FULL (3u << 24)
#define READ_ONLY (6u << 24)
#define NORMAL (7u << 16) /* TEX 0, S, C, B: as the RAM's default */
#define SIZE(log2) (((log2) - 1u) << 1)
#define SRD(mask) ((mask) << 8)

#define IACCVIOL 0x01u
#define DACCVIOL 0x02u
#define MUNSTKERR 0x08u
#define MSTKERR 0x10u
#define MMARVALID 0x80u
#define FORCED 0x40000000u

SNIPPET(mpu_read, "", "ldr r0, [r0]");
SNIPPET(mpu_write, "", "str r1, [r0]");
SNIPPET(mpu_read_user, "", "ldrt r0, [r0]");
SNIPPET(mpu_write_user, "", "strt r1, [r0]");
SNIPPET(mpu_multiple, "movs r2, #7", "ldmia r0!, {r1, r2, r3, r12}");
SNIPPET(mpu_run, "", "bx r0");

/* The guarded kilobyte; its first half holds a function, `bx lr`, at each 32 bytes. */
static uint32_t arena[256] __attribute__((aligned(1024)));
#define ARENA ((uint32_t)arena)

static void region(uint32_t number, uint32_t base, uint32_t attributes)
{
    MPU_RBAR = base | VALID | number;
    MPU_RASR = attributes | NORMAL | ENABLE;
}

static void on(uint32_t control)
{
    MPU_CTRL = ENABLE | control;
    sync();
}

static void off(void)
{
    MPU_CTRL = 0;
    for (uint32_t n = 0; n < 8; n++) {
        MPU_RNR = n;
        MPU_RASR = 0;
    }
    sync();
}

/* What a provoked access led to, with the MPU as it is; the MPU goes off before anything is printed. */
#define ALLOWED(what, name, a, b)                                                                                      \
    do {                                                                                                               \
        PROVOKE(name, a, b);                                                                                           \
        uint32_t control = MPU_CTRL;                                                                                   \
        MPU_CTRL = 0;                                                                                                  \
        check(what, caught.count, 0);                                                                                  \
        MPU_CTRL = control;                                                                                            \
        sync();                                                                                                        \
    } while (0)
#define DENIED(what, name, a, b)                                                                                       \
    do {                                                                                                               \
        PROVOKE(name, a, b);                                                                                           \
        uint32_t control = MPU_CTRL;                                                                                   \
        MPU_CTRL = 0;                                                                                                  \
        check(what, caught.number << 16 | caught.cfsr, MEMMANAGE << 16 | DACCVIOL | MMARVALID);                        \
        check(" MMFAR", caught.mmfar, a);                                                                              \
        check(" its stacked PC", caught.frame.pc, (uint32_t)name##_at);                                                \
        MPU_CTRL = control;                                                                                            \
        sync();                                                                                                        \
    } while (0)

static void check_registers(void)
{
    check("MPU: at least 8 regions, unified", (MPU_TYPE & 0xFF01) >= 0x800 && !(MPU_TYPE & 1), 1);
    MPU_RNR = 5;
    MPU_RBAR = ARENA | VALID | 3;
    check("RBAR.VALID selects the region", MPU_RNR, 3);
    check("RBAR reads base and region", MPU_RBAR, ARENA | 3);
    MPU_RASR = XN | FULL | NORMAL | SIZE(10);
    check("RASR reads back", MPU_RASR, XN | FULL | NORMAL | SIZE(10));
    MPU_RBAR_A1 = (ARENA + 512) | VALID | 2;
    MPU_RASR_A1 = FULL | SIZE(9);
    check("the alias registers reach the same", MPU_RASR, FULL | SIZE(9));
    MPU_RNR = 3;
    check("and leave the others", MPU_RBAR, ARENA | 3);
    off();
}

static void check_permissions(void)
{
    region(0, ARENA, NO_ACCESS | SIZE(10));
    on(PRIVDEFENA);
    DENIED("no access: LDR", mpu_read, ARENA + 8, 0);
    DENIED("no access: STR", mpu_write, ARENA + 1020, 0);
    ALLOWED("just below the region", mpu_read, ARENA - 4, 0);
    ALLOWED("just above the region", mpu_read, ARENA + 1024, 0);
    off();
    region(0, ARENA, READ_ONLY | SIZE(10));
    on(PRIVDEFENA);
    ALLOWED("read-only: LDR", mpu_read, ARENA, 0);
    DENIED("read-only: STR", mpu_write, ARENA, 0);
    off();
    region(0, ARENA, PRIVILEGED | SIZE(10));
    on(PRIVDEFENA);
    ALLOWED("privileged only: LDR", mpu_read, ARENA, 0);
    DENIED("privileged only: LDRT", mpu_read_user, ARENA, 0);
    ALLOWED("privileged only: STR", mpu_write, ARENA, 0);
    off();
    region(0, ARENA, USER_READS | SIZE(10));
    on(PRIVDEFENA);
    ALLOWED("user may read: LDRT", mpu_read_user, ARENA, 0);
    DENIED("user may read: STRT", mpu_write_user, ARENA, 0);
    off();
}

static void check_regions(void)
{
    region(0, ARENA, NO_ACCESS | SIZE(10) | SRD(0x0A));
    on(PRIVDEFENA);
    ALLOWED("a disabled subregion", mpu_read, ARENA + 128, 0);
    DENIED("the subregion after it", mpu_read, ARENA + 256, 0);
    ALLOWED("the next disabled one", mpu_read, ARENA + 384 + 124, 0);
    off();
    region(0, ARENA, NO_ACCESS | SIZE(10));
    region(1, ARENA + 64, FULL | SIZE(5));
    on(PRIVDEFENA);
    ALLOWED("a higher region overrides", mpu_read, ARENA + 64, 0);
    DENIED("beside it the lower one holds", mpu_read, ARENA + 96, 0);
    off();
    region(2, ARENA, NO_ACCESS | SIZE(10));
    region(1, ARENA + 64, FULL | SIZE(5));
    on(PRIVDEFENA);
    DENIED("a lower region does not", mpu_read, ARENA + 64, 0);
    off();
}

static void check_multiple(void)
{
    region(0, ARENA + 32, NO_ACCESS | SIZE(5));
    on(PRIVDEFENA);
    PROVOKE(mpu_multiple, ARENA + 24, 0);
    off();
    check("LDM into a region", caught.number << 16 | caught.cfsr, MEMMANAGE << 16 | DACCVIOL | MMARVALID);
    check(" MMFAR: the first word denied", caught.mmfar, ARENA + 32);
    check(" the base register is restored", caught.frame.r0, ARENA + 24);
}

static void check_execution(void)
{
    for (uint32_t i = 0; i < 256; i += 8)
        arena[i] = 0x47704770; /* bx lr */
    sync();
    region(0, ARENA, FULL | SIZE(10));
    on(PRIVDEFENA);
    ALLOWED("execution in RAM", mpu_run, ARENA | 1, 0);
    region(0, ARENA, XN | FULL | SIZE(10));
    on(PRIVDEFENA);
    clear_caught();
    try_call(mpu_run, ARENA | 1, 0);
    off();
    check("execute never", caught.number << 16 | caught.cfsr, MEMMANAGE << 16 | IACCVIOL);
    check(" its stacked PC", caught.frame.pc, ARENA);
    region(0, ARENA, NO_ACCESS | SIZE(10));
    on(PRIVDEFENA);
    clear_caught();
    try_call(mpu_run, ARENA | 33, 0);
    off();
    check("executing what cannot be read", caught.number << 16 | caught.cfsr, MEMMANAGE << 16 | IACCVIOL);
}

static uint32_t read_user(uint32_t address)
{
    mpu_read(address, 0);
    return 0;
}

/* Code and RAM readable for all, so that an unprivileged thread can live. */
static void common_regions(void)
{
    region(0, 0, READ_ONLY | SIZE(22));
    region(3, (uint32_t)mpu_read & 0xFF000000, READ_ONLY | SIZE(24));
    region(1, 0x20000000, FULL | SIZE(22));
}

static void check_background(void)
{
    common_regions();
    on(0);
    DENIED("no background map: a device", mpu_read, 0x40004004, 0);
    ALLOWED("system space is never guarded", mpu_read, 0xE000ED00, 0);
    on(PRIVDEFENA);
    ALLOWED("background map: a device", mpu_read, 0x40004004, 0);
    clear_caught();
    resume_at = (uint32_t)mpu_read_next;
    call_on_psp(read_user, 0x40004004, PROCESS_STACK_TOP, 3);
    off();
    check("background is for the privileged", caught.number << 16 | caught.cfsr, MEMMANAGE << 16 | DACCVIOL | MMARVALID);
    common_regions();
    region(2, ARENA, PRIVILEGED | SIZE(10));
    on(PRIVDEFENA);
    clear_caught();
    resume_at = (uint32_t)mpu_read_next;
    call_on_psp(read_user, ARENA + 4, PROCESS_STACK_TOP, 3);
    off();
    check("a privileged region, unprivileged", caught.number << 16 | caught.cfsr, MEMMANAGE << 16 | DACCVIOL | MMARVALID);
    check(" MMFAR", caught.mmfar, ARENA + 4);
}

static void read_arena(void) { mpu_read(ARENA, 0); }

static void check_negative_priority(void)
{
    region(0, ARENA, NO_ACCESS | SIZE(10));
    on(PRIVDEFENA);
    set_faultmask(1);
    ALLOWED("HFNMIENA 0: off under FAULTMASK", mpu_read, ARENA, 0);
    set_faultmask(0);
    letters_for(NMI);
    actions[NMI] = read_arena;
    clear_caught();
    ICSR = ICSR_NMIPENDSET;
    sync();
    off();
    check("HFNMIENA 0: off in the NMI", caught.count, 0);
    region(0, ARENA, NO_ACCESS | SIZE(10));
    on(PRIVDEFENA);
    SHCSR &= ~SHCSR_FAULTS;
    PROVOKE(mpu_read, ARENA + 4, 0);
    SHCSR |= SHCSR_FAULTS;
    off();
    check("disabled MemManage escalates", caught.number << 16 | caught.cfsr, HARDFAULT << 16 | DACCVIOL | MMARVALID);
    check(" HFSR", caught.hfsr, FORCED);
}

static uint32_t pend_on_arena(uint32_t sp)
{
    __asm volatile("mov sp, %0\n\tstr %1, [%2]\n\tdsb\n\tisb" ::"r"(sp), "r"(BIT(IRQ_A)), "r"(0xE000E200) : "memory");
    return 0;
}

static void stack_denied(uint32_t sp, uint32_t unused)
{
    (void)unused;
    call_on_psp(pend_on_arena, sp, PROCESS_STACK_TOP, 2);
}

static uint32_t pend_quietly(uint32_t arg)
{
    pend(BIT(IRQ_A));
    return arg;
}

static void return_denied(uint32_t a, uint32_t b)
{
    (void)a, (void)b;
    call_on_psp(pend_quietly, 0, PROCESS_STACK_TOP, 2);
}

static void move_psp(void) { set_psp(ARENA + 512); }

static void check_stacking(void)
{
    interrupts_fresh(0x80, 0x80, 0x80, 0x80);
    region(0, ARENA, NO_ACCESS | SIZE(10));
    on(PRIVDEFENA);
    clear_caught();
    frame_lost = 1;
    try_call(stack_denied, ARENA + 512, 0);
    off();
    check("stacking into a region", caught.number << 16 | caught.cfsr, MEMMANAGE << 16 | MSTKERR);
    check_text(" the interrupt follows", trace_buffer, "aA");
    interrupts_fresh(0x80, 0x80, 0x80, 0x80);
    actions[IRQ0 + IRQ_A] = move_psp;
    region(0, ARENA, NO_ACCESS | SIZE(10));
    on(PRIVDEFENA);
    clear_caught();
    frame_lost = 1;
    try_call(return_denied, 0, 0);
    off();
    check("unstacking from a region", caught.number << 16 | caught.cfsr, MEMMANAGE << 16 | MUNSTKERR);
}

void check_mpu(void)
{
    group("MPU");
    if ((MPU_TYPE >> 8 & 0xFF) == 0) {
        skip("MPU", "none");
        return;
    }
    catch_faults();
    SHCSR |= SHCSR_FAULTS;
    check_registers();
    check_permissions();
    check_regions();
    check_multiple();
    check_execution();
    check_background();
    check_negative_priority();
    check_stacking();
    SHCSR &= ~SHCSR_FAULTS;
}
