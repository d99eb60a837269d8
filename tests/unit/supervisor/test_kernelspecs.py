import json
import os
import sys
import tempfile
import unittest

from kubernel_supervisor.start.console import StartError
from kubernel_supervisor.start.kernelspecs import data_folders, find_kernelspecs, read_kernelspec, substitute


class KernelspecTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def install(self, data_folder, name, **spec):
        """A kernelspec as Jupyter lays them out; returns its folder."""
        folder = os.path.join(self.folder, data_folder, "kernels", name)
        os.makedirs(folder)
        with open(os.path.join(folder, "kernel.json"), "w") as file:
            json.dump({"argv": ["x", "{connection_file}"], "language": "x", **spec}, file)
        return folder

    def environment(self, *data_folders_, **more):
        path = ":".join(os.path.join(self.folder, name) for name in data_folders_)
        return {"JUPYTER_PATH": path, "HOME": "/h", "PATH": "", **more}

    def test_folders_in_jupyters_order(self):
        os.makedirs(f"{self.folder}/conda/bin")
        with open(f"{self.folder}/conda/bin/jupyter", "w") as file:
            os.chmod(file.name, 0o755)
        env = {"HOME": "/home/u", "PATH": f"{self.folder}/conda/bin", "JUPYTER_PATH": "/a:/b"}
        self.assertEqual(
            data_folders(env),
            [
                "/a",
                "/b",
                "/home/u/.local/share/jupyter",
                f"{sys.prefix}/share/jupyter",
                f"{os.path.realpath(self.folder)}/conda/share/jupyter",
                "/opt/conda/share/jupyter",
                "/usr/local/share/jupyter",
                "/usr/share/jupyter",
            ],
        )

    def test_the_users_own_folder(self):
        for env, folder in (
            ({"JUPYTER_DATA_DIR": "/data", "HOME": "/home/u"}, "/data"),
            ({"XDG_DATA_HOME": "/xdg", "HOME": "/home/u"}, "/xdg/jupyter"),
            ({"HOME": "/home/u"}, "/home/u/.local/share/jupyter"),
            ({}, "/.local/share/jupyter"),
        ):
            with self.subTest(env):
                self.assertEqual(data_folders({"PATH": "/nowhere", **env})[0], folder)

    def test_the_first_of_two_with_one_name_whatever_its_case(self):
        first = self.install("first", "IR")
        self.install("second", "ir")
        other = self.install("second", "julia-1.11")
        os.mkdir(f"{self.folder}/second/kernels/no-spec")
        found = find_kernelspecs(self.environment("first", "second"))
        self.assertEqual((found["ir"], found["julia-1.11"]), (first, other))
        self.assertNotIn("no-spec", found)

    def test_placeholders_and_environment(self):
        folder = self.install(
            "data",
            "r",
            argv=["R", "--args", "{connection_file}", "{resource_dir}/logo.svg", "{prefix}", "{unknown}"],
            env={"A": "${HOME}/lib", "B": "$HOME", "C": "${UNKNOWN}", "D": "plain", "E": 7},
        )
        argv, env = read_kernelspec("R", self.environment("data"))
        self.assertEqual(argv, ["R", "--args", "{connection_file}", f"{folder}/logo.svg", sys.prefix, "{unknown}"])
        self.assertEqual(env, {"A": "/h/lib", "B": "/h", "C": "${UNKNOWN}", "D": "plain", "E": "7"})

    def test_python_means_the_one_that_the_kernelspec_belongs_to(self):
        prefix = os.path.join(self.folder, "conda")
        self.install("conda/share/jupyter", "python3", argv=["python", "-m", "ipykernel_launcher"])
        env = self.environment("conda/share/jupyter")
        self.assertEqual(read_kernelspec("python3", env)[0][0], "python")
        os.mkdir(f"{prefix}/bin")
        with open(f"{prefix}/bin/python", "w") as file:
            os.chmod(file.name, 0o755)
        self.assertEqual(read_kernelspec("python3", env)[0], [f"{prefix}/bin/python", "-m", "ipykernel_launcher"])

    def test_a_broken_one_is_named(self):
        path = os.path.join(self.install("data", "broken"), "kernel.json")
        for text, message in (
            ("no json", "kernel.json cannot be used: JSONDecodeError"),
            ('{"argv": ["x"]} and more', "kernel.json cannot be used: JSONDecodeError: Extra data"),
            ("[]", "kernel.json cannot be used: TypeError"),
            ('{"language": "x"}', "kernel.json cannot be used: KeyError: 'argv'"),
            ('{"argv": ["x"], "env": ["A=1"]}', "kernel.json cannot be used: AttributeError"),
        ):
            with open(path, "w") as file:
                file.write(text)
            with self.subTest(text), self.assertRaises(StartError) as caught:
                read_kernelspec("broken", self.environment("data"))
            self.assertEqual(caught.exception.code, 127)
            self.assertIn(f"broken/{message}", str(caught.exception))

    def test_an_unknown_name_lists_those_that_there_are(self):
        self.install("data", "aardvark")
        with self.assertRaisesRegex(StartError, "^no kernelspec named 'ir' in this image; found: aardvark"):
            read_kernelspec("ir", self.environment("data"))

    def test_substitution_is_jupyters(self):
        for text, result in (
            ("plain", "plain"),
            ("$A-${A}", "1-1"),
            ("$$A", "$A"),
            ("${B}$B", "${B}$B"),
            ("${", "${"),
            ("%s {A}", "%s {A}"),
        ):
            with self.subTest(text):
                self.assertEqual(substitute(text, {"A": "1"}), result)
