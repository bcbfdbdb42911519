import pytest

from app.models import Progress
from app.services.training_log import newer_losses, read_progress, tail


@pytest.fixture
def preparation() -> str:
    return "Extracted 12 files from zip to input_images\nimage-01.jpg is already captioned\n"


@pytest.fixture
def captions() -> str:
    return "Loading LLaVA: 100%|████| 3/3 [00:09<00:00]\nCaption for image-02.jpg: a photo of TOK\n"


@pytest.fixture
def loading() -> str:
    return "Starting train job\nRunning  1 process\nCaching latents to disk: 100%|████| 12/12 [00:03<00:00]\n"


@pytest.fixture
def bars() -> str:
    return (
        "flux_train_replicate:   0%|    | 0/1000 [00:00<?, ?it/s]\n"
        "flux_train_replicate:   0%|    | 1/1000 [00:02<34:11, 2.05s/it, lr: 4.0e-04 loss: 5.120e-01]\n"
        "flux_train_replicate:  45%|██▌  | 450/1000 [05:12<06:20, 1.45it/s, lr: 4e-04 loss: 3.412e-01]\n"
    )


@pytest.fixture
def last_bar() -> str:
    return "flux_train_replicate: 100%|████▉| 999/1000 [11:32<00:01,  1.44it/s, lr: 4.0e-04 loss: 2.9e-01]\n"


@pytest.fixture
def archive() -> str:
    return "output/flux_train_replicate/\noutput/flux_train_replicate/lora.safetensors\n"


def test_an_empty_log_tells_nothing() -> None:
    assert read_progress("", steps=1000) is None
    assert read_progress(" \r\n", steps=1000) is None
    assert tail("") == ""
    assert newer_losses("", steps=1000, after=-1).losses == ()


def test_the_phases_follow_each_other(
    preparation: str, captions: str, loading: str, bars: str, last_bar: str, archive: str
) -> None:
    log, phases = "", []
    for part in ("Downloading weights\n", preparation, captions, loading, bars, last_bar, archive):
        log += part
        progress = read_progress(log, steps=1000)
        assert progress is not None
        phases.append((progress.phase, progress.percent))
    assert phases == [
        ("preparing", 0),
        ("captioning", 0),
        ("captioning", 0),
        ("training", 0),
        ("training", 45),
        ("training", 100),
        ("saving", 100),
    ]


def test_the_last_bar_counts(preparation: str, loading: str, bars: str) -> None:
    assert read_progress(preparation + loading + bars, steps=1000) == Progress(
        phase="training", percent=45, step=450, total_steps=1000, eta_seconds=380, loss=0.3412
    )


def test_bars_may_be_separated_by_carriage_returns(preparation: str, bars: str) -> None:
    log = preparation + bars
    assert read_progress(log.replace("\n", "\r"), steps=1000) == read_progress(log, steps=1000)
    carriage_returns = log.replace("\n", "\r")
    assert newer_losses(carriage_returns, steps=1000, after=-1) == newer_losses(log, steps=1000, after=-1)


@pytest.mark.parametrize(
    ("line", "steps", "step"),
    [
        ("flux_train_replicate:   2%|▏ | 10/500 [00:10<08:10,  1.00it/s]", 1000, 10),
        ("flux_train_replicate:   2%|▏ | 10/500 [00:10<08:10,  1.00it/s]", None, 10),
        ("  2%|▏ | 10/500 [00:10<08:10,  1.00it/s]", 500, 10),
        ("Steps:   2%|▏ | 10/500 [00:10<08:10,  1.00it/s, loss=0.1]", 500, 10),
        ("\x1b[A\x1b[32mTraining:   2%|▏ | 10/500 [00:10<08:10,  1.00it/s]", 500, 10),
        ("  2%|▏ | 10/500 [00:10<08:10,  1.00it/s]", 1000, None),
        ("  2%|▏ | 10/500 [00:10<08:10,  1.00it/s]", None, None),
        ("Caching latents:   2%|▏ | 10/500 [00:10<08:10,  1.00it/s]", 500, None),
        ("flux_train_replicate:   0%|  | 0/0 [00:00<?, ?it/s]", 0, None),
        ("tokens are 50%| of it", 500, None),
    ],
)
def test_only_the_training_own_bar_is_trusted(line: str, steps: int | None, step: int | None) -> None:
    progress = read_progress(line, steps=steps)
    assert progress is not None
    assert progress.step == step


@pytest.mark.parametrize(
    ("left", "seconds"),
    [("06:20", 380), ("1:02:03", 3723), ("26:00:00", 93600), ("?", None), ("1 day", None)],
)
def test_the_time_left_is_read_in_every_form(left: str, seconds: int | None) -> None:
    progress = read_progress(
        f"flux_train_replicate:  45%|██ | 450/1000 [05:12<{left},  1.45it/s]", steps=1000
    )
    assert progress is not None
    assert progress.eta_seconds == seconds


@pytest.mark.parametrize("loss", ["nan", "inf", "-", ""])
def test_a_loss_that_is_no_number_is_left_out(loss: str) -> None:
    bar = f"flux_train_replicate:  45%|██ | 450/1000 [05:12<06:20, 1.45it/s, lr: 4e-04 loss: {loss}]"
    progress = read_progress(bar, steps=1000)
    assert progress is not None
    assert progress.loss is None
    assert newer_losses(bar, steps=1000, after=-1).losses == ()


def test_a_full_bar_means_that_the_result_is_being_saved(bars: str) -> None:
    full = "flux_train_replicate: 100%|████| 1000/1000 [11:33<00:00,  1.44it/s, lr: 4.0e-04 loss: 2.9e-01]"
    assert read_progress(bars + full, steps=1000) == Progress(
        phase="saving", percent=100, step=1000, total_steps=1000, loss=0.29
    )


def test_saving_in_between_is_still_training(bars: str) -> None:
    progress = read_progress(bars + "Saving weights to W&B: lora_000000450.safetensors\n", steps=1000)
    assert progress is not None
    assert (progress.phase, progress.percent) == ("training", 45)


def test_a_ready_made_lora_is_saved_without_training() -> None:
    progress = read_progress("Downloading\nUploading to Hugging Face: me/lora\n", steps=1000)
    assert progress is not None
    assert progress.phase == "saving"


def test_the_losses_are_in_order_and_has_each_step_once(bars: str) -> None:
    repeated = (
        bars + bars.replace("3.412e-01", "3.300e-01") + "  10%|█ | 100/200 [00:01<00:01, loss: 9.0e-01]\n"
    )
    assert newer_losses(repeated, steps=1000, after=-1).losses == ((1, 0.512), (450, 0.33))


def test_the_tail_shows_the_latest_state_of_each_bar(preparation: str, loading: str, bars: str) -> None:
    assert tail(preparation + loading + bars).splitlines() == [
        "Extracted 12 files from zip to input_images",
        "image-01.jpg is already captioned",
        "Starting train job",
        "Running  1 process",
        "Caching latents to disk: 100%|████| 12/12 [00:03<00:00]",
        "flux_train_replicate:  45%|██▌  | 450/1000 [05:12<06:20, 1.45it/s, lr: 4e-04 loss: 3.412e-01]",
    ]


def test_the_tail_has_as_many_lines_as_asked_for() -> None:
    log = "\n\n".join(f"line {number}" for number in range(100)) + "\n"
    assert tail(log, lines=3) == "line 97\nline 98\nline 99"
    assert len(tail(log).splitlines()) == 20
    assert tail(log, lines=0) == ""


def test_the_tail_is_readable() -> None:
    assert tail("\x1b[1;31mout of memory\x1b[0m\n" + "x" * 1_000_000) == "out of memory\n" + "x" * 399 + "…"


def test_lines_are_found_across_the_blocks_of_a_long_log(bars: str) -> None:
    lines = [f"{number:07d} " + "x" * (number % 90) for number in range(20_000)]
    assert tail("\n".join(lines), lines=1900) == "\n".join(line.rstrip() for line in lines[-1900:])
    progress = read_progress(bars + "\n".join(lines) + "\noutput/flux_train_replicate/\n", steps=1000)
    assert progress is not None
    assert (progress.phase, progress.step) == ("saving", 450)
