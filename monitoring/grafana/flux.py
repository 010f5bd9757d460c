"""Flux for the panels, of what InfluxDB 1.8 and 2.7 both know, about the measurements that the sink writes."""

#: The sites that were chosen; an event that was refused before its site was known has none.
_SITES = "r.site =~ /^${site:regex}$/"

_HIGHEST_FIRST = '  |> sort(columns: ["_value"], desc: true)'

#: For the variable ``site``.
SITES = 'import "influxdata/influxdb/v1"\nv1.tagValues(bucket: v.defaultBucket, tag: "site", start: -30d)'


def field(measurement: str, name: str = "value") -> str:
    """Return where each query begins: a field of a measurement, of the chosen sites and the time that is shown."""
    return _points(f'r._measurement == "{measurement}" and r._field == "{name}" and {_SITES}')


def means(measurement: str) -> str:
    """Return the finals of each site, averaged where there are more than can be shown."""
    return f"{field(measurement)}\n{_over_time('mean')}\n{_keep('_time', 'site')}"


def sums(measurement: str, name: str, by: str) -> str:
    """Return the sums of a field over time, by a tag."""
    return f'{field(measurement, name)}\n  |> group(columns: ["{by}"])\n{_over_time("sum")}\n{_keep("_time", by)}'


def newest(measurement: str) -> str:
    """Return the newest final of each site."""
    return f"{field(measurement)}\n  |> last()\n{_keep('_time', 'site')}"


def total(measurement: str, name: str, by: str, reduce: str = "sum") -> str:
    """Return what a field of the whole time comes to, by a tag; ``reduce`` is sum or max. Highest first."""
    return (
        f'{field(measurement, name)}\n  |> group(columns: ["{by}"])\n  |> {reduce}()\n'
        f"  |> group()\n{_keep(by)}\n{_HIGHEST_FIRST}"
    )


def counts(measurement: str, name: str) -> str:
    """Return how many points have each value of a field, e.g. visits of each behaviour. Most frequent first."""
    return (
        f'{field(measurement, name)}\n  |> duplicate(column: "_value", as: "{name}")\n'
        f'  |> group(columns: ["{name}"])\n  |> count()\n  |> group()\n'
        # Of the columns a panel draws the numbers and is named by the text.
        f"  |> map(fn: (r) => ({{{name}: string(v: r.{name}), _value: r._value}}))\n{_HIGHEST_FIRST}"
    )


def busiest(measurement: str, name: str, number: str) -> str:
    """Return the highest that a number field was beside each value of a text field, at most 50. Highest first."""
    return (
        f'{_rows(measurement)}\n  |> group(columns: ["{name}"])\n  |> max(column: "{number}")\n'
        f'  |> group()\n  |> keep(columns: ["{name}", "{number}"])\n'
        f'  |> sort(columns: ["{number}"], desc: true)\n  |> limit(n: 50)'
    )


def table(measurement: str, columns: tuple[str, ...]) -> str:
    """Return points as rows of these tags and fields and ``_time``, at most 50. Newest first."""
    kept = ", ".join(f'"{column}"' for column in columns)
    return (
        f"{_rows(measurement)}\n  |> group()\n  |> keep(columns: [{kept}])\n"
        '  |> sort(columns: ["_time"], desc: true)\n  |> limit(n: 50)'
    )


def _rows(measurement: str) -> str:
    return (
        f'{_points(f"""r._measurement == "{measurement}" and {_SITES}""")}\n'
        '  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
    )


def _points(condition: str) -> str:
    return (
        "from(bucket: v.defaultBucket)\n"
        "  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n"
        f"  |> filter(fn: (r) => {condition})"
    )


def _over_time(reduce: str) -> str:
    return f"  |> aggregateWindow(every: v.windowPeriod, fn: {reduce}, createEmpty: false)"


def _keep(*columns: str) -> str:
    return f"  |> keep(columns: [{', '.join(f'{chr(34)}{each}{chr(34)}' for each in (*columns, '_value'))}])"
