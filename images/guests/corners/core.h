/* The system registers of ARMv7-M and ARMv6-M, and how handlers and faults are caught. */
#ifndef CORE_H
#define CORE_H

#include "check.h"

#define ACTLR REG(0xE000E008)
#define SYST_CSR REG(0xE000E010)
#define SYST_RVR REG(0xE000E014)
#define SYST_CVR REG(0xE000E018)
#define SYST_CALIB REG(0xE000E01C)
#define NVIC_ISER REG(0xE000E100)
#define NVIC_ICER REG(0xE000E180)
#define NVIC_ISPR REG(0xE000E200)
#define NVIC_ICPR REG(0xE000E280)
#define NVIC_IABR REG(0xE000E300)
#define NVIC_IPR(n) REG(0xE000E400 + 4 * (n))
#define NVIC_IPRB(irq) REG8(0xE000E400 + (irq))
#define CPUID REG(0xE000ED00)
#define ICSR REG(0xE000ED04)
#define VTOR REG(0xE000ED08)
#define AIRCR REG(0xE000ED0C)
#define SCR REG(0xE000ED10)
#define CCR REG(0xE000ED14)
#define SHPR(n) REG(0xE000ED14 + 4 * (n)) /* 1 to 3 */
#define SHPRB(exception) REG8(0xE000ED14 + (exception))
#define SHCSR REG(0xE000ED24)
#define CFSR REG(0xE000ED28)
#define HFSR REG(0xE000ED2C)
#define DFSR REG(0xE000ED30)
#define MMFAR REG(0xE000ED34)
#define BFAR REG(0xE000ED38)
#define CPACR REG(0xE000ED88)
#define DEMCR REG(0xE000EDFC)
#define STIR REG(0xE000EF00)

#define ICSR_NMIPENDSET (1u << 31)
#define ICSR_PENDSVSET (1u << 28)
#define ICSR_PENDSVCLR (1u << 27)
#define ICSR_PENDSTSET (1u << 26)
#define ICSR_PENDSTCLR (1u << 25)
#define ICSR_ISRPENDING (1u << 22)
#define ICSR_VECTPENDING(icsr) ((icsr) >> 12 & 0x1FF)
#define ICSR_RETTOBASE (1u << 11)
#define ICSR_VECTACTIVE(icsr) ((icsr) & 0x1FF)
#define AIRCR_KEY 0x05FA0000u
#define SCR_SLEEPONEXIT 2u
#define SCR_SEVONPEND 16u
#define CCR_NONBASETHRDENA 1u
#define CCR_USERSETMPEND 2u
#define CCR_UNALIGN_TRP 8u
#define CCR_DIV_0_TRP 16u
#define CCR_BFHFNMIGN 0x100u
#define CCR_STKALIGN 0x200u
#define SHCSR_FAULTS (7u << 16) /* MEMFAULTENA, BUSFAULTENA, USGFAULTENA */

enum { NMI = 2, HARDFAULT, MEMMANAGE, BUSFAULT, USAGEFAULT, SVCALL = 11, DEBUGMON, PENDSV = 14, SYSTICK, IRQ0 };
/* Interrupts whose lines nothing drives: SWI0 to SWI5 on the nRF51, GPIO pins on the MPS2. */
enum { IRQ_A = 20, IRQ_B, IRQ_C, IRQ_D };
/* An address that no board here decodes. */
#define UNMAPPED 0x30000000u
#define BIT(irq) (1u << (irq))

/* What the core stacks on exception entry. */
struct frame {
    uint32_t r0, r1, r2, r3, r12, lr, pc, xpsr;
};

/* Gets the frame and EXC_RETURN; returns the EXC_RETURN to leave with. */
typedef uint32_t (*handler)(struct frame *frame, uint32_t exc_return);
extern handler handlers[16 + 32];

/* The last fault that catch_fault saw. */
struct caught {
    uint32_t count, number, exc_return, cfsr, hfsr, mmfar, bfar, shcsr, icsr, sp;
    struct frame frame;
};
extern volatile struct caught caught;
/* Where catch_fault continues: at this address, or (0) after the try_call. */
extern volatile uint32_t resume_at;
/* Set when the frame of the fault that comes cannot be read. */
extern volatile int frame_lost;

uint32_t catch_fault(struct frame *frame, uint32_t exc_return);
/* Leaves a handler for the end of the innermost try_call. */
__attribute__((noreturn)) void escape(void);
void catch_faults(void);
void clear_caught(void);

/* A function made of PRE and INSN, its arguments in r0 and r1; name_at and name_next are INSN's address and the one after. */
#define SNIPPET(name, pre, insn)                                                                                       \
    void name(uint32_t, uint32_t);                                                                                     \
    extern const uint8_t name##_at[], name##_next[];                                                                   \
    __asm(".syntax unified\n.section .text." #name ",\"ax\"\n.balign 4\n.thumb\n.global " #name "\n.type " #name ",%function\n.thumb_func\n" \
          #name ":\n" pre "\n.global " #name "_at\n" #name "_at:\n" insn "\n.global " #name "_next\n" #name            \
          "_next:\nbx lr\n.previous")
/* Runs a snippet, its fault caught and skipped. */
#define PROVOKE(name, a, b)                                                                                            \
    do {                                                                                                               \
        clear_caught();                                                                                                \
        resume_at = (uint32_t)name##_next;                                                                             \
        try_call(name, (uint32_t)(a), (uint32_t)(b));                                                                  \
    } while (0)

typedef void (*snippet)(uint32_t, uint32_t);
void try_call(snippet fn, uint32_t a, uint32_t b);
extern const uint8_t try_landing[];
extern uint32_t *try_sp;
__attribute__((noreturn)) void exit_with(uint32_t exc_return, uint32_t msp);
void exception_entry(void);

uint32_t call_on_psp(uint32_t (*fn)(uint32_t), uint32_t arg, uint32_t *psp, uint32_t control);
/* A stack for call_on_psp: its top. */
extern uint32_t process_stack[256];
#define PROCESS_STACK_TOP (process_stack + 256)
uint32_t call_svc(uint32_t r0);
extern const uint8_t call_svc_next[];
uint32_t call_svc_unaligned(void);

/* Interrupt handler that traces its letter, 'a' for IRQ_A, runs its action and traces the capital. */
uint32_t lettered(struct frame *frame, uint32_t exc_return);
extern void (*volatile actions[16 + 32])(void);
/* The frame's address and EXC_RETURN of each lettered handler's last entry. */
extern volatile uint32_t entry_frame[16 + 32], entry_exc_return[16 + 32];
void letters_for(uint32_t number);
/* Disables and unpends A to D and sets their priorities, all handlers lettered and without action, the trace empty. */
void interrupts_fresh(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
void pend(uint32_t irqs);
void set_priority(uint32_t irq, uint8_t priority);

#define READ_SPECIAL(name)                                                                                             \
    static inline uint32_t get_##name(void)                                                                            \
    {                                                                                                                  \
        uint32_t value;                                                                                                \
        __asm volatile("mrs %0, " #name : "=r"(value)::"memory");                                                      \
        return value;                                                                                                  \
    }
#define SPECIAL(name)                                                                                                  \
    READ_SPECIAL(name)                                                                                                 \
    static inline void set_##name(uint32_t value)                                                                      \
    {                                                                                                                  \
        __asm volatile("msr " #name ", %0\n\tisb" ::"r"(value) : "memory");                                            \
    }
READ_SPECIAL(ipsr)
READ_SPECIAL(epsr)
SPECIAL(primask)
SPECIAL(control)
SPECIAL(msp)
SPECIAL(psp)
#if __ARM_ARCH >= 7
SPECIAL(basepri)
SPECIAL(basepri_max)
SPECIAL(faultmask)
#endif
static inline void sync(void)
{
    dsb();
    isb();
}

/* An interrupt of the board, once or AGAIN and AGAIN, its line high until it is cleared. */
extern const uint32_t alarm_irq;
void alarm_start(uint32_t microseconds, int again);
void alarm_clear(void);
void alarm_stop(void);

void check_interrupts(void);
void check_entry(void);
void check_sleep(void);
#if __ARM_ARCH >= 7
void check_masks(void);
void check_system_handlers(void);
void check_systick(void);
void check_faults(void);
void check_returns(void);
void check_mpu(void);
void check_memory(void);
void check_interrupted(void);
void check_dwt(void);
void check_fpu(void);
#else
void check_v6m(void);
#endif

#endif
