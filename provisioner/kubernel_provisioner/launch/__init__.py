"""One kernel's start, life and end: the KernelInstance, what is waited for, what is said."""
