"""Flagfiles of a reproduction that takes seconds a step."""

_NETWORK = (
    "--channels=4,6,8,8",
    "--hidden_units=8",
    "--batch_size=4",
    "--steps_per_epoch=4",
    "--precision=float32",
    "--num_calibration_clips=8",
)
_STAGES = {
    "teacher": ("--stage=teacher", "--num_steps=8"),
    "supernet": (
        "--stage=supernet",
        "--num_steps=8",
        "--num_subnets=2",
        "--width_ratios=0.5,1.0",
    ),
    "scratch": (
        "--stage=scratch",
        "--num_steps=4",
        "--width_ratios=0.5,1.0",
    ),
    "kd": ("--stage=kd", "--num_steps=4", "--width_ratios=0.5,1.0"),
    "finetune_short": ("--stage=finetune", "--num_steps=4"),
    "finetune_long": ("--stage=finetune", "--num_steps=8"),
}
BUDGETS = ("low:parameters<=1.7k", "high:parameters>=1.7k")


def write_flagfiles(directory):
    """Writes the flagfiles of the stages."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, lines in _STAGES.items():
        text = "\n".join((*_NETWORK, *lines))
        (directory / f"{name}.cfg").write_text(f"{text}\n")
    (directory / "search.cfg").write_text(
        "--method=exhaustive\n--num_calibration_clips=8\n"
    )
    return directory


def arguments(flags_dir, data_dir, workdir, *more):
    """Arguments of `reproduce`, for one seed."""
    return [
        f"--flags_dir={flags_dir}",
        f"--data_dir={data_dir}",
        f"--workdir={workdir}",
        "--seeds=0",
        *(f"--budget={budget}" for budget in BUDGETS),
        "--baseline=low:width=0.5,depth=1",
        *more,
    ]
