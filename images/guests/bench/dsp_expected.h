/* Results of each kernel for each seed, from dsp_host.c. */
static const uint32_t expected[2][DSP_SEEDS] = {
    { 0x89b252ae, 0xa3b772bb, 0x19d386a9, 0x538a046a, },
    { 0x7954d2d7, 0x4be34ca2, 0xb4509e69, 0xc2cbe351, },
};
