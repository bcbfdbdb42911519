"""What a check finds, while it goes on."""

from collections import Counter
from dataclasses import dataclass, field

from app.datasets import DatasetReport, FileFinding, FindingCode
from app.errors import FieldError, TrainingSetRefusedError
from app.services.training_sets.picture_headers import shown

UPLOAD_FIELD = "training_images"


@dataclass
class Findings:
    """Collects findings; of the same error only the first is told, with how many there are."""

    errors: dict[FindingCode, FileFinding] = field(default_factory=dict)
    warnings: list[FileFinding] = field(default_factory=list)
    ignored: list[FileFinding] = field(default_factory=list)
    times: Counter[FindingCode] = field(default_factory=Counter)

    def error(self, code: FindingCode, message: str, file: str | None = None) -> None:
        """The set cannot be used."""
        self.times[code] += 1
        self.errors.setdefault(code, FileFinding(code, message, shown(file) if file else None))

    def warn(self, code: FindingCode, message: str, file: str | None = None) -> None:
        """The set can be used, but is worse for this."""
        self.warnings.append(FileFinding(code, message, shown(file) if file else None))

    def ignore(self, code: FindingCode, message: str, file: str) -> None:
        """The file plays no part."""
        self.ignored.append(FileFinding(code, message, shown(file)))

    def report(self, *, pictures: int = 0, captions: int = 0) -> DatasetReport:
        """All of it."""
        return DatasetReport(
            pictures=pictures,
            captions=captions,
            errors=tuple(self._counted(finding) for finding in self.errors.values()),
            warnings=tuple(self.warnings),
            ignored=tuple(self.ignored),
        )

    def check(self) -> None:
        """Raise `TrainingSetRefusedError` if there are errors."""
        if self.errors:
            raise refused(self.report())

    def _counted(self, finding: FileFinding) -> FileFinding:
        others = self.times[finding.code] - 1
        if not others:
            return finding
        more = "1 more file is" if others == 1 else f"{others:,} more files are"
        return FileFinding(finding.code, f"{finding.message} {more} like that.", finding.file)


def refused(report: DatasetReport, *, field: str = UPLOAD_FIELD) -> TrainingSetRefusedError:
    """The error that tells a caller of the errors in `report`; `field` is where the pictures came from."""
    return TrainingSetRefusedError(
        [FieldError(field, finding.message) for finding in report.errors], report=report.as_json()
    )
