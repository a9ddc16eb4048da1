// Carries the precompiled Arrow header that the other targets reuse.
