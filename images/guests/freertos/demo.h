/* The parts of the demo: each runs its tasks to their end and says whether all went as it must. */
#ifndef DEMO_H
#define DEMO_H

#include "FreeRTOS.h"
#include "task.h"
#include "print.h"

/* The supervisor runs above the tasks it starts, but below the timer service. */
#define SUPERVISOR_PRIORITY 5
#define HEARTBEAT_PRIORITY 7

extern TaskHandle_t supervisor;
/* Counted by heartbeat_task every ten ticks. */
extern volatile unsigned tick_counter;

/* Starts a task of the current part. */
void start_task(TaskFunction_t function, const char *name, void *argument, UBaseType_t priority);
/* The last thing each of them does: tells the supervisor and ends. */
void task_done(void) __attribute__((noreturn));
/* Waits for that from N tasks. */
void wait_for_tasks(unsigned n);
/* Prints `NAME: ok`, the value, or what is wrong; a failure is remembered. */
void report(const char *part, const char *what, unsigned got, unsigned want);

void queue_part(void);
void mutex_part(void);
void timer_part(void);
void notification_part(void);
void preemption_part(void);
void float_part(void);
/* Called from the tick, for preemption_part. */
void note_spins(void);

/* What a board has: an interrupt that comes again and again once started, and calls interrupted() for notification_part. */
void interrupts_start(void);
void interrupts_stop(void);
void interrupts_off(void);
void interrupted(void);
/* No interrupt, of the kernel or others, from now on. */
void board_quiet(void);
/* Before the scheduler starts. */
void board_start(void);

/* float_hold.S: fills s0 to s31 from SEED on, then compares them ROUNDS times; how many were wrong. */
unsigned float_hold(unsigned seed, unsigned rounds);

#endif
