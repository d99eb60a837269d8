"""``python run_suite.py NAME`` runs the suite NAME.py and ends with JSON: how many tests ran, why some were skipped."""

import json
import sys
import unittest

if __name__ == "__main__":
    result = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromName(sys.argv[1]))
    print(json.dumps({"ran": result.testsRun, "skipped": [reason for _, reason in result.skipped]}))
    sys.exit(not result.wasSuccessful())
