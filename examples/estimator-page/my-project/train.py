"""Teaches a logistic regression to read handwritten digits; written for Azure ML, and unchanged here."""

import argparse
import os

import joblib
import numpy as np
from azureml.core import Run
from sklearn.linear_model import LogisticRegression

parser = argparse.ArgumentParser()
parser.add_argument("--data-folder", type=str, dest="data_folder", help="where the digits are")
parser.add_argument("--regularization", type=float, dest="reg", default=0.01, help="regularization rate")
args = parser.parse_args()

table = np.loadtxt(os.path.join(args.data_folder, "digits.csv.gz"), delimiter=",")
images, labels = table[:, :-1] / 16, table[:, -1].astype(int)
is_test = np.arange(len(labels)) % 5 == 0

run = Run.get_context()
print("Train a logistic regression model with regularization rate of", args.reg)
model = LogisticRegression(C=1.0 / args.reg, max_iter=500, random_state=42)
model.fit(images[~is_test], labels[~is_test])

accuracy = np.average(model.predict(images[is_test]) == labels[is_test])
print("Accuracy is", accuracy)
run.log("regularization rate", args.reg)
run.log("accuracy", accuracy)

os.makedirs("outputs", exist_ok=True)
joblib.dump(value=model, filename="outputs/digits_model.pkl")
