"""xlsxwriter (constant_memory) and openpyxl (write-only): peers.py LIBRARY PAGES FOLDER OUT. Reading pages does not count."""

import json
import resource
import sys
import time
from datetime import date

library, pages, folder, out = sys.argv[1:]
spent = 0.0
KEYS = ["id", "name", "city", "buyer", "note", "remark", "amount", "count", "paid", "day"]


def rows_of(line):
    rows = json.loads(line)["data"]["data"]
    for row in rows:
        row["day"] = date.fromisoformat(row["day"])
    return [[row[key] for key in KEYS] for row in rows]


def by_xlsxwriter():
    import xlsxwriter

    global spent
    start = time.perf_counter()
    book = xlsxwriter.Workbook(out, {"constant_memory": True, "tmpdir": folder})
    sheet = book.add_worksheet()
    bold, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd"})
    for column, key in enumerate(KEYS):
        sheet.write_string(0, column, key, bold)
    number = 1
    spent += time.perf_counter() - start
    for line in open(pages, encoding="utf-8"):
        rows = rows_of(line)
        start = time.perf_counter()
        text, value = sheet.write_string, sheet.write_number
        for row in rows:
            value(number, 0, row[0])
            for column in range(1, 6):
                text(number, column, row[column])
            value(number, 6, row[6])
            value(number, 7, row[7])
            sheet.write_boolean(number, 8, row[8])
            sheet.write_datetime(number, 9, row[9], day)
            number += 1
        spent += time.perf_counter() - start
    start = time.perf_counter()
    book.close()
    spent += time.perf_counter() - start


def by_openpyxl():
    import openpyxl

    global spent
    start = time.perf_counter()
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(KEYS)
    spent += time.perf_counter() - start
    for line in open(pages, encoding="utf-8"):
        rows = rows_of(line)
        start = time.perf_counter()
        for row in rows:
            sheet.append(row)
        spent += time.perf_counter() - start
    start = time.perf_counter()
    book.save(out)
    spent += time.perf_counter() - start


{"xlsxwriter": by_xlsxwriter, "openpyxl": by_openpyxl}[library]()
print(json.dumps([spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
