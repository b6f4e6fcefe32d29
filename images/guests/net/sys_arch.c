/* lwIP's operating system layer on FreeRTOS. Timeouts are in milliseconds, and a tick is one. */
#include "lwip/sys.h"
#include "lwip/stats.h"

void sys_init(void)
{
}

u32_t sys_now(void)
{
    return xTaskGetTickCount() * portTICK_PERIOD_MS;
}

u32_t sys_jiffies(void)
{
    return xTaskGetTickCount();
}

sys_prot_t sys_arch_protect(void)
{
    taskENTER_CRITICAL();
    return 0;
}

void sys_arch_unprotect(sys_prot_t kept)
{
    (void)kept;
    taskEXIT_CRITICAL();
}

/* Zero means for ever. */
static TickType_t ticks(u32_t timeout)
{
    return timeout ? pdMS_TO_TICKS(timeout) : portMAX_DELAY;
}

err_t sys_sem_new(sys_sem_t *sem, u8_t count)
{
    *sem = xSemaphoreCreateCounting(0xffff, count);
    return *sem ? ERR_OK : ERR_MEM;
}

void sys_sem_free(sys_sem_t *sem)
{
    vSemaphoreDelete(*sem);
}

void sys_sem_signal(sys_sem_t *sem)
{
    xSemaphoreGive(*sem);
}

u32_t sys_arch_sem_wait(sys_sem_t *sem, u32_t timeout)
{
    TickType_t start = xTaskGetTickCount();
    if (xSemaphoreTake(*sem, ticks(timeout)) != pdTRUE)
        return SYS_ARCH_TIMEOUT;
    return (xTaskGetTickCount() - start) * portTICK_PERIOD_MS;
}

err_t sys_mutex_new(sys_mutex_t *mutex)
{
    *mutex = xSemaphoreCreateMutex();
    return *mutex ? ERR_OK : ERR_MEM;
}

void sys_mutex_free(sys_mutex_t *mutex)
{
    vSemaphoreDelete(*mutex);
}

void sys_mutex_lock(sys_mutex_t *mutex)
{
    xSemaphoreTake(*mutex, portMAX_DELAY);
}

void sys_mutex_unlock(sys_mutex_t *mutex)
{
    xSemaphoreGive(*mutex);
}

err_t sys_mbox_new(sys_mbox_t *mbox, int size)
{
    *mbox = xQueueCreate((UBaseType_t)size, sizeof(void *));
    return *mbox ? ERR_OK : ERR_MEM;
}

void sys_mbox_free(sys_mbox_t *mbox)
{
    vQueueDelete(*mbox);
}

void sys_mbox_post(sys_mbox_t *mbox, void *message)
{
    xQueueSend(*mbox, &message, portMAX_DELAY);
}

err_t sys_mbox_trypost(sys_mbox_t *mbox, void *message)
{
    return xQueueSend(*mbox, &message, 0) == pdTRUE ? ERR_OK : ERR_MEM;
}

err_t sys_mbox_trypost_fromisr(sys_mbox_t *mbox, void *message)
{
    BaseType_t woken = pdFALSE;
    BaseType_t sent = xQueueSendFromISR(*mbox, &message, &woken);
    portYIELD_FROM_ISR(woken);
    return sent == pdTRUE ? ERR_OK : ERR_MEM;
}

u32_t sys_arch_mbox_fetch(sys_mbox_t *mbox, void **message, u32_t timeout)
{
    TickType_t start = xTaskGetTickCount();
    void *dropped;
    if (xQueueReceive(*mbox, message ? message : &dropped, ticks(timeout)) != pdTRUE)
        return SYS_ARCH_TIMEOUT;
    return (xTaskGetTickCount() - start) * portTICK_PERIOD_MS;
}

u32_t sys_arch_mbox_tryfetch(sys_mbox_t *mbox, void **message)
{
    void *dropped;
    return xQueueReceive(*mbox, message ? message : &dropped, 0) == pdTRUE ? 0 : SYS_MBOX_EMPTY;
}

sys_thread_t sys_thread_new(const char *name, lwip_thread_fn function, void *argument, int stack, int priority)
{
    TaskHandle_t task = NULL;
    configSTACK_DEPTH_TYPE depth = (configSTACK_DEPTH_TYPE)stack;
    BaseType_t made = xTaskCreate(function, name, depth, argument, (UBaseType_t)priority, &task);
    configASSERT(made == pdPASS);
    return task;
}
