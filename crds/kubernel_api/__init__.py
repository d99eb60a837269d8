"""The KernelInstance API: one source for the CRD, the operator and the provisioner.

Nothing here does I/O except ``control`` (the client of a supervisor's control port, which both sides need) and
``__main__`` (which writes the CRD files). Nothing here imports the operator or the provisioner.
"""
