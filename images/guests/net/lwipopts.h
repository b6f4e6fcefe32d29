/* lwIP's configuration: IPv4 with ARP, ICMP, DHCP, DNS, UDP and TCP, called from several tasks under one lock. */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS 0
#define SYS_LIGHTWEIGHT_PROT 1
#define LWIP_TCPIP_CORE_LOCKING 1
#define LWIP_NETCONN 1
#define LWIP_SOCKET 0
#define LWIP_PROVIDE_ERRNO 1
#define LWIP_SO_RCVTIMEO 1
#define LWIP_SO_SNDTIMEO 1

#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ICMP 1
#define LWIP_RAW 1
#define LWIP_DHCP 1
#define LWIP_DNS 1
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_LINK_CALLBACK 1
#define LWIP_NETIF_TX_SINGLE_PBUF 0

/* Two bytes before each frame put the IP header on a word; the chip's receive offset gives the same. */
#define ETH_PAD_SIZE 2
#define MEM_ALIGNMENT 4
#define MEM_SIZE (48 * 1024)
#define PBUF_POOL_SIZE 32
#define PBUF_POOL_BUFSIZE 1536
#define MEMP_NUM_PBUF 64
#define MEMP_NUM_RAW_PCB 2
#define MEMP_NUM_UDP_PCB 6
#define MEMP_NUM_TCP_PCB 24
#define MEMP_NUM_TCP_PCB_LISTEN 8
#define MEMP_NUM_TCP_SEG 96
#define MEMP_NUM_NETCONN 4
#define MEMP_NUM_NETBUF 8
#define MEMP_NUM_SYS_TIMEOUT 16
#define MEMP_NUM_TCPIP_MSG_INPKT 40

#define TCP_MSS 1460
#define TCP_WND (8 * TCP_MSS)
#define TCP_SND_BUF (8 * TCP_MSS)
#define TCP_SND_QUEUELEN 32
#define TCP_LISTEN_BACKLOG 1
/* RFC 6298, 2.1: one second until a round trip was measured. */
#define LWIP_TCP_RTO_TIME 1000
#define TCP_SYNMAXRTX 5

#define TCPIP_THREAD_STACKSIZE 768
#define TCPIP_THREAD_PRIO 5
#define TCPIP_MBOX_SIZE 40
#define DEFAULT_RAW_RECVMBOX_SIZE 8
#define DEFAULT_UDP_RECVMBOX_SIZE 8
#define DEFAULT_TCP_RECVMBOX_SIZE 16
#define DEFAULT_ACCEPTMBOX_SIZE 4

#define LWIP_STATS 1
#define LWIP_STATS_DISPLAY 0
#define MIB2_STATS 1
#define LWIP_CHKSUM_ALGORITHM 2
#define MEMCPY(to, from, n) fast_copy(to, from, n)
#define SMEMCPY(to, from, n) __builtin_memcpy(to, from, n)

/* Port numbers start where the node's own generator says; so do the sequence numbers of TCP (RFC 6528 in spirit). */
#define LWIP_RANDOMIZE_INITIAL_LOCAL_PORTS 1
#define LWIP_HOOK_FILENAME "hooks.h"
#define LWIP_HOOK_TCP_ISN(local, local_port, remote, remote_port) initial_sequence(local_port, remote, remote_port)

#endif
