#include "demo.h"
#include "queue.h"
#include "semphr.h"
#include "timers.h"

/* --- queue: a producer and a slower consumer ------------------------------------------------------------------------ */

#define ITEMS 20u

static QueueHandle_t queue;
static volatile unsigned queue_sum;

__attribute__((noinline)) static unsigned fold(unsigned sum, unsigned item)
{
    return sum * 31 + item; /* debug test: break here, backtrace, finish */
}

__attribute__((noinline)) static void consume(unsigned item)
{
    queue_sum = fold(queue_sum, item);
}

static void producer_task(void *argument)
{
    (void)argument;
    for (unsigned item = 1; item <= ITEMS; item++) {
        unsigned square = item * item;
        xQueueSend(queue, &square, portMAX_DELAY);
    }
    task_done();
}

static void consumer_task(void *argument)
{
    (void)argument;
    for (unsigned n = 0; n < ITEMS; n++) {
        unsigned item;
        xQueueReceive(queue, &item, portMAX_DELAY);
        consume(item);
        if (n % 4 == 0)
            vTaskDelay(1);
    }
    task_done();
}

void queue_part(void)
{
    unsigned want = 0;
    for (unsigned item = 1; item <= ITEMS; item++)
        want = want * 31 + item * item;
    queue = xQueueCreate(4, sizeof(unsigned));
    start_task(producer_task, "producer", NULL, 2);
    start_task(consumer_task, "consumer", NULL, 3);
    wait_for_tasks(2);
    report("queue", "sum of what arrived", queue_sum, want);
    vQueueDelete(queue);
}

/* --- mutex: exclusion and priority inheritance ---------------------------------------------------------------------- */

static SemaphoreHandle_t mutex;
static volatile unsigned shared, inherited, restored;
static TaskHandle_t high;

static void adder_task(void *argument)
{
    (void)argument;
    for (unsigned n = 0; n < 50; n++) {
        xSemaphoreTake(mutex, portMAX_DELAY);
        unsigned value = shared;
        taskYIELD();
        shared = value + 1;
        xSemaphoreGive(mutex);
        taskYIELD();
    }
    task_done();
}

static void low_task(void *argument)
{
    (void)argument;
    xSemaphoreTake(mutex, portMAX_DELAY);
    xTaskNotifyGive(high); /* which preempts, and waits for the mutex */
    inherited = uxTaskPriorityGet(NULL);
    xSemaphoreGive(mutex);
    restored = uxTaskPriorityGet(NULL);
    task_done();
}

static void high_task(void *argument)
{
    (void)argument;
    ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
    xSemaphoreTake(mutex, portMAX_DELAY);
    xSemaphoreGive(mutex);
    task_done();
}

void mutex_part(void)
{
    mutex = xSemaphoreCreateMutex();
    for (unsigned n = 0; n < 3; n++)
        start_task(adder_task, "adder", NULL, 2);
    wait_for_tasks(3);
    report("mutex", "three times fifty", shared, 150);
    start_task(low_task, "low", NULL, 1);
    xTaskCreate(high_task, "high", configMINIMAL_STACK_SIZE, NULL, 4, &high);
    wait_for_tasks(2);
    report("mutex", "inherited priority", inherited, 4);
    report("mutex", "own priority", restored, 1);
    vSemaphoreDelete(mutex);
}

/* --- timer: a software timer that fires five times ------------------------------------------------------------------ */

#define SHOT_TICKS 7u

static volatile unsigned shots, early, uneven;

static void timer_shot(TimerHandle_t timer)
{
    static TickType_t before;
    TickType_t due = xTimerGetExpiryTime(timer) - SHOT_TICKS;
    early += (int32_t)(xTaskGetTickCount() - due) < 0;
    uneven += shots > 0 && due - before != SHOT_TICKS;
    before = due;
    if (++shots == 5) {
        xTimerStop(timer, 0);
        xTaskNotifyGive(supervisor);
    }
}

void timer_part(void)
{
    TimerHandle_t timer = xTimerCreate("shots", SHOT_TICKS, pdTRUE, NULL, timer_shot);
    xTimerStart(timer, portMAX_DELAY);
    wait_for_tasks(1);
    report("timer", "shots too early", early, 0);
    report("timer", "shots not seven ticks apart", uneven, 0);
    xTimerDelete(timer, portMAX_DELAY);
    vTaskDelay(5);
    report("timer", "shots in all", shots, 5);
}

/* --- notifications: from a task, and from an interrupt --------------------------------------------------------------- */

static TaskHandle_t listener;
static volatile unsigned interrupts, heard, bits;

void interrupted(void)
{
    BaseType_t woken = pdFALSE;
    if (interrupts == 9)
        interrupts_stop();
    if (interrupts == 10)
        return; /* it had fired once more before it was stopped */
    interrupts++;
    vTaskNotifyGiveFromISR(listener, &woken);
    portYIELD_FROM_ISR(woken);
}

static void listener_task(void *argument)
{
    (void)argument;
    while (heard < 10)
        heard += ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
    while (bits != 0x1F) {
        uint32_t more;
        xTaskNotifyWait(0, 0xFFFFFFFF, &more, portMAX_DELAY);
        bits |= more;
    }
    task_done();
}

void notification_part(void)
{
    xTaskCreate(listener_task, "listener", configMINIMAL_STACK_SIZE, NULL, 4, &listener);
    interrupts_start();
    while (heard < 10)
        vTaskDelay(1);
    interrupts_off();
    for (unsigned bit = 0; bit < 5; bit++)
        xTaskNotify(listener, 1u << bit, eSetBits);
    wait_for_tasks(1);
    report("notification", "from the interrupt", heard, 10);
    report("notification", "bits from a task", bits, 31);
}

/* --- preemption: two equals share the processor, a higher one interrupts them to the tick ------------------------------ */

static volatile unsigned spins[2], spins_at_tick, running, late;

/* What the spinners had counted when the tick interrupted them. */
void note_spins(void)
{
    spins_at_tick = spins[0] + spins[1];
}

static void spinner_task(void *argument)
{
    volatile unsigned *mine = argument;
    while (running)
        (*mine)++;
    task_done();
}

static void punctual_task(void *argument)
{
    TickType_t wake = xTaskGetTickCount();
    (void)argument;
    for (unsigned n = 0; n < 10; n++) {
        vTaskDelayUntil(&wake, 2);
        late += spins[0] + spins[1] != spins_at_tick;
    }
    running = 0;
    task_done();
}

void preemption_part(void)
{
    running = 1;
    unsigned before = context_switches;
    start_task(punctual_task, "punctual", NULL, 4);
    start_task(spinner_task, "spinner 0", (void *)&spins[0], 1);
    start_task(spinner_task, "spinner 1", (void *)&spins[1], 1);
    wait_for_tasks(3);
    report("preemption", "spins between the tick and the task it woke", late, 0);
    report("preemption", "both spinners ran", spins[0] > 100 && spins[1] > 100, 1);
    report("preemption", "a switch each tick at least", context_switches - before >= 20, 1);
}
