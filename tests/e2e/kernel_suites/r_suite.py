"""What jupyter_kernel_test asks of a kernel, answered for IRkernel. Run by run_suite.py."""
# ruff: noqa: RUF012 - this is how jupyter_kernel_test is used

import unittest

import jupyter_kernel_test


class RKernel(jupyter_kernel_test.KernelTests):
    kernel_name = "ir"
    language_name = "R"
    file_extension = ".r"
    code_hello_world = 'print("hello, world")'
    code_stderr = 'message("test")'
    completion_samples = [{"text": "zip", "matches": {"zip"}}, {"text": "seq_al", "matches": {"seq_along"}}]
    complete_code_samples = ["1", "print('hello, world')", "f <- function(x) {\n  x*2\n}"]
    incomplete_code_samples = ["print('hello", "f <- function(x) {\n  x*2"]
    invalid_code_samples = ["a b", "f <- function(x) {{\n  x*2\n}}}"]
    code_page_something = "?zip"
    code_generate_error = "stop('test')"
    code_display_data = [
        {"code": "6*7", "mime": "text/plain"},
        {"code": "1:3", "mime": "text/html"},
        {"code": "IRdisplay::display_markdown('*test*')", "mime": "text/markdown"},
    ]
    code_inspect_sample = "zip"
    code_clear_output = "IRdisplay::clear_output()"

    # Source: IRkernel, tests/testthat/test_ir.py, "the irkernel only sends display_data, not execute_results".
    @unittest.skip("IRkernel sends results as display_data")
    def test_execute_result(self) -> None: ...

    # Source: IRkernel, R/kernel.r, history().
    @unittest.skip("IRkernel answers every history_request with an empty list")
    def test_history(self) -> None: ...
