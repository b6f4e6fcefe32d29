/* A demonstration of the FreeRTOS kernel, whose source is not part of this project: see the Makefile. Every part prints one or
 * two lines that are the same in every run; the last line is `freertos demo: PASS`. */
#include "demo.h"

TaskHandle_t supervisor;
volatile unsigned tick_counter;
volatile unsigned context_switches;
static volatile unsigned idle_passes, tick_hooks;
static unsigned failures;

void start_task(TaskFunction_t function, const char *name, void *argument, UBaseType_t priority)
{
    BaseType_t made = xTaskCreate(function, name, configMINIMAL_STACK_SIZE, argument, priority, NULL);
    configASSERT(made == pdPASS);
}

void task_done(void)
{
    xTaskNotifyGive(supervisor);
    vTaskDelete(NULL);
    for (;;)
        ;
}

void wait_for_tasks(unsigned n)
{
    while (n--)
        ulTaskNotifyTake(pdFALSE, portMAX_DELAY);
}

void report(const char *part, const char *what, unsigned got, unsigned want)
{
    put_text(part);
    put_text(": ");
    put_text(what);
    put_char(' ');
    put_number(got);
    if (got != want) {
        failures++;
        put_text(" WRONG, not ");
        put_number(want);
    }
    put_text("\r\n");
}

static void heartbeat_task(void *argument)
{
    TickType_t wake = 0;
    (void)argument;
    for (;;) {
        vTaskDelayUntil(&wake, 10);
        tick_counter++; /* debug test: watch this */
    }
}

static void supervisor_task(void *argument)
{
    (void)argument;
    queue_part();
    mutex_part();
    timer_part();
    notification_part();
    preemption_part();
    float_part();
    taskENTER_CRITICAL();
    unsigned ticks = xTaskGetTickCount(), beats = tick_counter;
    taskEXIT_CRITICAL();
    report("heartbeat", "every ten ticks", ticks / 10 == beats, 1);
    report("idle", "ran", idle_passes > 0, 1);
    report("tick hook", "ran", tick_hooks >= ticks, 1);
    put_text(failures ? "freertos demo: FAIL\r\n" : "freertos demo: PASS\r\n");
    finish(failures == 0);
}

int main(void)
{
    console_start();
    board_start();
    put_text("freertos demo: kernel " tskKERNEL_VERSION_NUMBER "\r\n");
    xTaskCreate(heartbeat_task, "heartbeat", configMINIMAL_STACK_SIZE, NULL, HEARTBEAT_PRIORITY, NULL);
    xTaskCreate(supervisor_task, "supervisor", 2 * configMINIMAL_STACK_SIZE, NULL, SUPERVISOR_PRIORITY, &supervisor);
    vTaskStartScheduler();
    assert_failed("scheduler", 0);
}

void assert_failed(const char *file, int line)
{
    board_quiet();
    put_text("assertion failed: ");
    put_text(file);
    put_char(':');
    put_number((uint32_t)line);
    put_text("\r\nfreertos demo: FAIL\r\n");
    finish(0);
}

void vApplicationIdleHook(void)
{
    idle_passes++;
    __asm volatile("wfi");
}

/* Floating point in an interrupt: with an FPU, the interrupted task's registers must be saved for it. */
void vApplicationTickHook(void)
{
    static volatile float sum;
    sum = sum * 0.5f + 1.0f;
    tick_hooks++;
    note_spins();
}

void vApplicationMallocFailedHook(void)
{
    assert_failed("out of heap", 0);
}

void vApplicationStackOverflowHook(TaskHandle_t task, char *name)
{
    (void)task;
    assert_failed(name, 0);
}
