// Prints what the tables of a dashboard hold in Grafana: {title: [{heading: text}]}.
import { createTheme, formattedValueToString } from '@grafana/data';
import { readFileSync } from 'node:fs';
import { prepared } from './frames.mjs';

const { dashboard, answers } = JSON.parse(readFileSync(0, 'utf8'));
const tables = {};
for (const panel of dashboard.panels.filter(({ type }) => type === 'table')) {
  const [frame] = await prepared(panel, answers[panel.id], createTheme());
  const cell = (field, row) => [
    field.state.displayName,
    formattedValueToString(field.display(field.values[row])),
  ];
  tables[panel.title] = Array.from({ length: frame.length }, (_, row) =>
    Object.fromEntries(frame.fields.map((field) => cell(field, row))));
}
console.log(JSON.stringify(tables));
