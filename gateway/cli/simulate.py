"""`ganzhi simulate`: the devices of a scenario, without hardware."""

import argparse
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    simulate = commands.add_parser(
        "simulate",
        help="play the devices of a scenario file",
        description="Play simulated devices: MQTT sensors, a Modbus server, an OPC UA server,"
        " a mobile sensor and citizens who report.",
        epilog="Example: ganzhi simulate examples/scenarios/province.yaml --only modbus",
    )
    simulate.add_argument("scenario", type=Path, metavar="SCENARIO")
    simulate.add_argument(
        "--only", action="append", default=[], metavar="KIND", help="mqtt, modbus, opcua, citizen"
    )
    simulate.add_argument("--broker-password-file", type=Path, metavar="FILE")
    simulate.set_defaults(run=_simulate)
