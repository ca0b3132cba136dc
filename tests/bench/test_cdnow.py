"""The picture of a calibration; the purchases themselves go through the whole system in `tests/siyu/test_metrics.py`."""

from xml.etree import ElementTree

import numpy as np

from bench.cdnow_plot import plot


def test_a_calibration_is_drawn_as_two_panels_of_two_lines() -> None:
    by_purchases = np.array([[0.2, 0.3], [1.0, 0.8], [4.0, 3.5]])
    by_week = np.column_stack([np.arange(78.0), np.arange(78.0) * 0.9])

    drawn = ElementTree.fromstring(plot(by_purchases, by_week, 39))

    lines = [each.attrib["points"].split() for each in drawn.iter("{http://www.w3.org/2000/svg}polyline")]
    words = {each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert [len(points) for points in lines] == [3, 3, 78, 78]
    assert lines[0][-1] == "375.0,40.0"
    assert {"0", "1", "2+", "39", "78", "4.0", "77"} <= words
