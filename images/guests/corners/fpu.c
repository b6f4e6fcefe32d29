/* The floating-point context: CONTROL.FPCA, the extended frame, lazy stacking, FPCCR, FPCAR, FPDSCR (DDI 0403 B1.5.7, B3.2.21). */
#include "core.h"

#if defined(__ARM_ARCH_7EM__)

#define FPCCR REG(0xE000EF34)
#define FPCAR REG(0xE000EF38)
#define FPDSCR REG(0xE000EF3C)
#define MVFR0 REG(0xE000EF40)
#define MVFR1 REG(0xE000EF44)
#define ASPEN (1u << 31)
#define LSPEN (1u << 30)
#define THREAD 8u
#define LSPACT 1u
#define FPCA 4u
#define MLSPERR 0x20u
#define PATTERN 0xDEADBEEFu

/* Singles by their bits; the file itself is compiled without floating point, so nothing else touches the registers. */
__asm(".fpu fpv4-sp-d16");
#define SET_S(n, bits) __asm volatile("vmov s" #n ", %0" ::"r"(bits) : "memory")
#define GET_S(n)                                                                                                       \
    ({                                                                                                                 \
        uint32_t bits_;                                                                                                \
        __asm volatile("vmov %0, s" #n : "=r"(bits_)::"memory");                                                       \
        bits_;                                                                                                         \
    })
static void set_fpscr(uint32_t value) { __asm volatile("vmsr fpscr, %0" ::"r"(value) : "memory"); }
static uint32_t get_fpscr(void)
{
    uint32_t value;
    __asm volatile("vmrs %0, fpscr" : "=r"(value)::"memory");
    return value;
}

static void no_context(void) { set_control(get_control() & ~FPCA); }

static struct {
    uint32_t exc_return, frame, fpccr, fpccr_after, fpcar, control, s0_slot, s0_slot_after, s15_slot_after, fpscr_slot_after, fpscr;
} seen;

static void note(struct frame *frame, uint32_t exc_return)
{
    const volatile uint32_t *extended = (uint32_t *)frame + 8;
    seen.control = get_control();
    seen.fpccr = FPCCR;
    seen.fpcar = FPCAR;
    seen.frame = (uint32_t)frame;
    seen.exc_return = exc_return;
    seen.s0_slot = extended[0];
}

static uint32_t leave_alone(struct frame *frame, uint32_t exc_return)
{
    note(frame, exc_return);
    return exc_return;
}

/* Uses the FPU, which makes the core save the interrupted context first. */
static uint32_t use_fpu(struct frame *frame, uint32_t exc_return)
{
    const volatile uint32_t *extended = (uint32_t *)frame + 8;
    note(frame, exc_return);
    seen.fpscr = get_fpscr();
    SET_S(0, 0x11111111);
    SET_S(15, 0x22222222);
    set_fpscr(0xF0000000);
    seen.fpccr_after = FPCCR;
    seen.s0_slot_after = extended[0];
    seen.s15_slot_after = extended[15];
    seen.fpscr_slot_after = extended[16];
    return exc_return;
}

/* SVC with PATTERN in the words below the stack pointer; how far the frame lies below. */
static uint32_t svc_over_pattern(void)
{
    uint32_t sp;
    __asm volatile("mov r1, sp\n\tsub r2, r1, #256\n\t1: str %1, [r2], #4\n\tcmp r2, r1\n\tblo 1b\n\tsvc #0\n\tmov %0, sp"
                   : "=r"(sp) : "r"(PATTERN) : "r0", "r1", "r2", "cc", "memory");
    return sp - seen.frame;
}

static void load_context(void)
{
    SET_S(0, 0x3F800000);
    SET_S(15, 0x40000000);
    SET_S(16, 0x40400000);
    set_fpscr(0x80000000);
}

static void check_context(void)
{
    check(" s0 after", GET_S(0), 0x3F800000);
    check(" s15 after", GET_S(15), 0x40000000);
    check(" s16 after", GET_S(16), 0x40400000);
    check(" FPSCR after", get_fpscr(), 0x80000000);
}

static void check_registers(void)
{
    check("FPCCR at reset: ASPEN, LSPEN", FPCCR & (ASPEN | LSPEN | LSPACT), ASPEN | LSPEN);
    CPACR = 0xFu << 20;
    sync();
    check("CPACR reads back", CPACR, 0xFu << 20);
#if defined(CORTEX_M7)
    check("MVFR0: FPv5, doubles", MVFR0, 0x10110221);
    check("MVFR1", MVFR1, 0x12000011);
#else
    check("MVFR0: FPv4-SP", MVFR0, 0x10110021);
    check("MVFR1", MVFR1, 0x11000011);
#endif
}

static void check_fpca(void)
{
    no_context();
    check("FPCA can be cleared", get_control() & FPCA, 0);
    SET_S(0, 0);
    check("an FP instruction sets FPCA", get_control() & FPCA, FPCA);
    no_context();
    handlers[SVCALL] = leave_alone;
    check("basic frame: eight words", svc_over_pattern(), 32);
    check(" EXC_RETURN", seen.exc_return, 0xFFFFFFF9);
    handlers[SVCALL] = use_fpu;
    svc_over_pattern();
    check("FPCA does not outlive the handler that set it", get_control() & FPCA, 0);
    check(" nothing to save", seen.s0_slot_after, seen.s0_slot);
}

static void check_lazy(void)
{
    handlers[SVCALL] = leave_alone;
    load_context();
    check("extended frame: 26 words", svc_over_pattern(), 104);
    check(" EXC_RETURN", seen.exc_return, 0xFFFFFFE9);
    check(" FPCA is clear in the handler", seen.control & FPCA, 0);
    check(" LSPACT, and from thread mode", seen.fpccr & (LSPACT | THREAD), LSPACT | THREAD);
    check(" FPCAR", seen.fpcar, seen.frame + 32);
    check(" nothing saved yet", seen.s0_slot, PATTERN);
    check(" LSPACT after", FPCCR & LSPACT, 0);
    check(" FPCA after", get_control() & FPCA, FPCA);
    check_context();
    handlers[SVCALL] = use_fpu;
    load_context();
    svc_over_pattern();
    check("FPU used in the handler: LSPACT falls", seen.fpccr_after & LSPACT, 0);
    check(" s0 saved", seen.s0_slot_after, 0x3F800000);
    check(" s15 saved", seen.s15_slot_after, 0x40000000);
    check(" FPSCR saved", seen.fpscr_slot_after, 0x80000000);
    check_context();
    SET_S(16, 0);
}

static void check_modes(void)
{
    FPCCR = ASPEN;
    sync();
    handlers[SVCALL] = use_fpu;
    load_context();
    check("LSPEN 0: extended frame", svc_over_pattern(), 104);
    check(" saved at once", seen.s0_slot, 0x3F800000);
    check(" LSPACT stays clear", seen.fpccr & LSPACT, 0);
    check_context();
    no_context();
    FPCCR = 0;
    sync();
    SET_S(0, 0);
    check("ASPEN 0: FPCA stays clear", get_control() & FPCA, 0);
    FPCCR = ASPEN | LSPEN;
    sync();
}

static void check_default_status(void)
{
    FPDSCR = 0x07C00000;
    check("FPDSCR reads back", FPDSCR, 0x07C00000);
    handlers[SVCALL] = use_fpu;
    load_context();
    svc_over_pattern();
    check("a new context starts with FPDSCR", seen.fpscr, 0x07C00000);
    check("the old one has its own FPSCR", get_fpscr(), 0x80000000);
    no_context();
    check("so does thread mode without a context", get_fpscr(), 0x07C00000);
    FPDSCR = 0;
}

static uint32_t nested_return, inner_s0;

static uint32_t inner(struct frame *frame, uint32_t exc_return)
{
    (void)frame;
    nested_return = exc_return;
    SET_S(0, 0x33333333);
    SET_S(7, 0x44444444);
    return exc_return;
}

static void outer(void)
{
    SET_S(0, 0x55555555);
    pend(BIT(IRQ_B));
    inner_s0 = GET_S(0);
}

static void outer_lazy(void) { pend(BIT(IRQ_B)); }

static void check_nested(void)
{
    interrupts_fresh(0x80, 0x40, 0x40, 0x40);
    handlers[IRQ0 + IRQ_B] = inner;
    actions[IRQ0 + IRQ_A] = outer;
    load_context();
    SET_S(7, 0x41000000);
    pend(BIT(IRQ_A));
    check("nested: EXC_RETURN to a handler with FP", nested_return, 0xFFFFFFE1);
    check(" the outer handler's s0", inner_s0, 0x55555555);
    check(" the thread's s7", GET_S(7), 0x41000000);
    check_context();
    actions[IRQ0 + IRQ_A] = outer_lazy;
    load_context();
    SET_S(7, 0x41000000);
    pend(BIT(IRQ_A));
    check("nested, the outer without FP: EXC_RETURN", nested_return, 0xFFFFFFF1);
    check(" the inner saved the thread's s7", GET_S(7), 0x41000000);
    check_context();
}

static uint32_t on_psp(uint32_t arg)
{
    load_context();
    call_svc(arg);
    return GET_S(0);
}

static void check_process_stack(void)
{
    handlers[SVCALL] = NULL;
    interrupts_fresh(0x80, 0x40, 0x40, 0x40);
    check("on PSP: s0 after", call_on_psp(on_psp, 1, PROCESS_STACK_TOP, 2), 0x3F800000);
}

#define MPU_CTRL REG(0xE000ED94)
#define MPU_RBAR REG(0xE000ED9C)
#define MPU_RASR REG(0xE000EDA0)

static void guard_and_use(void)
{
    MPU_RBAR = (uint32_t)process_stack | 16;
    MPU_RASR = 9 << 1 | 1; /* no access, 1 KB */
    MPU_CTRL = 5;
    sync();
    SET_S(0, 0x66666666);
}

/* The instruction that wanted the context saved runs again once the stack may be written. */
static uint32_t unguard(struct frame *frame, uint32_t exc_return)
{
    MPU_CTRL = 0;
    sync();
    caught.count++;
    caught.cfsr = CFSR;
    caught.exc_return = exc_return;
    caught.number = get_ipsr();
    CFSR = caught.cfsr;
    (void)frame;
    return exc_return;
}

static uint32_t pend_with_context(uint32_t arg)
{
    load_context();
    pend(BIT(IRQ_A));
    (void)arg;
    return GET_S(0);
}

static void check_lazy_fault(void)
{
    interrupts_fresh(0x80, 0x40, 0x40, 0x40);
    actions[IRQ0 + IRQ_A] = guard_and_use;
    handlers[MEMMANAGE] = unguard;
    SHCSR |= SHCSR_FAULTS;
    clear_caught();
    uint32_t s0 = call_on_psp(pend_with_context, 0, PROCESS_STACK_TOP, 2);
    MPU_CTRL = 0;
    MPU_RASR = 0;
    SHCSR &= ~SHCSR_FAULTS;
    check("lazy saving into a guarded stack", caught.number << 16 | caught.cfsr, MEMMANAGE << 16 | MLSPERR);
    check(" once, then it succeeds", caught.count, 1);
    check(" s0 after", s0, 0x3F800000);
    catch_faults();
}

static uint32_t lock_fpu(struct frame *frame, uint32_t exc_return)
{
    note(frame, exc_return);
    CPACR = 0;
    sync();
    return exc_return;
}

SNIPPET(touch_fpu, "", ".short 0xee30, 0x0a00"); /* VADD.F32 s0, s0, s0 */

static void check_switched_off(void)
{
    no_context();
    SHCSR |= SHCSR_FAULTS;
    handlers[SVCALL] = lock_fpu;
    call_svc(0);
    PROVOKE(touch_fpu, 0, 0);
    SHCSR &= ~SHCSR_FAULTS;
    check("switched off: NOCP", caught.number << 20 | caught.cfsr >> 16, USAGEFAULT << 20 | 8);
    check(" FPCA stays clear", get_control() & FPCA, 0);
    handlers[SVCALL] = NULL;
}

void check_fpu(void)
{
    group("floating point");
    catch_faults();
    check_registers();
    check_fpca();
    check_lazy();
    check_modes();
    check_default_status();
    check_nested();
    check_process_stack();
    check_lazy_fault();
    check_switched_off();
}

#else

void check_fpu(void)
{
    skip("floating point", "a Cortex-M3 has none");
}

#endif
