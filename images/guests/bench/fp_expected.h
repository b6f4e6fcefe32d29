/* What each floating-point kernel gives for each seed, from fp_host.c. */
static const float fp_expected[FP_SEEDS][FP_KERNELS] = {
    { 2.743211e+06f, 4.169980e+04f, 4.651146e-01f, 1.847370e+00f, 2.195362e+05f, },
    { 2.916350e+06f, 3.752536e+04f, 4.610776e-01f, 1.748154e+00f, 2.019742e+05f, },
    { 2.732608e+06f, 3.944257e+04f, 4.665344e-01f, 1.814622e+00f, 2.201425e+05f, },
    { 2.871441e+06f, 3.283770e+04f, 4.925067e-01f, 1.425665e+00f, 2.111422e+05f, },
};
